"""Every knob of the gateway, in one place.

Owns names, types, defaults, bounds and the words that describe them (the README's table is made from here). It must not
know where a value comes from (`settings_sources`), which of them do not go together (`settings_check`), nor what the
other modules do with it.
**Invariant: a `Settings` object is complete and coherent; whatever is wrong is said in a sentence that names the
variable, before anything starts.**
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.settings_limits import LimitSettings

PREFIX = "GATEWAY_"

Upstreams = Literal["auto", "gemini", "vertex", "simulator"]
AuthModes = Literal["open", "token", "insecure-open"]

COMMA_SEPARATED = (
    "cors_origins",
    "tools",
    "private_networks",
    "http_tool_hosts",
    "turn_urls",
    "udp_networks",
    "udp_advertised",
    "trusted_proxies",
)


class IceServer(BaseModel):
    """One entry of W3C `RTCConfiguration.iceServers`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_url_is_a_list_of_one(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("urls"), str):
            return {**value, "urls": (value["urls"],)}
        return value

    @model_validator(mode="after")
    def _urls_have_a_known_scheme(self) -> IceServer:
        for url in self.urls:
            if url.partition(":")[0] not in {"stun", "stuns", "turn", "turns"}:
                raise ValueError(f"{url!r} is not a stun:, stuns:, turn: or turns: URL")
        return self


def _secret(*env_names: str, description: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(*env_names), description=description)


class Settings(LimitSettings, BaseSettings):
    """The effective settings. Attribute `port` is read from `GATEWAY_PORT`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    # Where the gateway listens
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    tls_cert: Path | None = Field(None, description="PEM file of the certificate, to listen with HTTPS.")
    tls_key: Path | None = Field(None, description="PEM file of the certificate's key.")
    state_dir: Path | None = Field(
        None,
        description="Where `gateway serve --lan` keeps its certificate; empty: `gemini-live-gateway` in "
        "`$XDG_STATE_HOME` or `~/.local/state`.",
    )
    auth: AuthModes | None = Field(
        None,
        description="`token` asks for one with every request and is the default on any address but a loopback one; "
        "`open` lets anyone in and is refused there; `insecure-open` lets anyone in on any address, for closed test "
        "networks.",
    )
    jwt_secret: SecretStr | None = _secret(
        "GATEWAY_JWT_SECRET",
        description="Secret that signs tokens (HS256), at least 32 bytes. This, a public key or a JWKS URL.",
    )
    jwt_secret_previous: SecretStr | None = _secret(
        "GATEWAY_JWT_SECRET_PREVIOUS", description="The secret before: its tokens are still taken, while keys change."
    )
    jwt_public_key: SecretStr | None = _secret(
        "GATEWAY_JWT_PUBLIC_KEY",
        description="Public key in PEM of a backend that signs tokens: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).",
    )
    jwt_public_key_previous: SecretStr | None = _secret(
        "GATEWAY_JWT_PUBLIC_KEY_PREVIOUS", description="The public key before, while keys change."
    )
    jwks_url: str | None = Field(None, description="HTTPS address of a backend's public keys (JWKS).")
    jwt_audience: str = Field("gemini-live-gateway", min_length=1, description="What `aud` of a token must name.")
    jwt_issuer: str | None = Field(None, description="What `iss` of a token must be; empty: it is not looked at.")
    jwt_leeway_s: float = Field(
        30.0, ge=0, le=300, description="Seconds by which the clock of who signed a token may differ."
    )
    token_max_s: float = Field(
        86_400.0, ge=1, description="Seconds a token may be valid from now at most; a longer one is refused."
    )
    operator_key: SecretStr | None = _secret(
        "GATEWAY_OPERATOR_KEY",
        description="Key of `POST /v1/tokens` and of what only the operator may do, at least 32 characters.",
    )
    operator_key_previous: SecretStr | None = _secret(
        "GATEWAY_OPERATOR_KEY_PREVIOUS", description="The operator's key before, while keys change."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the gateway, comma-separated; its own pages always may."
    )
    listeners_per_session: int = Field(
        8, ge=0, description="Listeners (WHEP) of one session at once; one more is answered 503."
    )

    # The model
    upstream: Upstreams = Field(
        "auto", description="`gemini`, `vertex` or `simulator`; `auto` is `gemini` with a key and `simulator` without."
    )
    upstream_url: str | None = Field(
        None,
        description="Base of the Live API, such as `ws://127.0.0.1:9911`; the API's own path is appended. "
        "Empty: Google's, or the embedded simulator.",
    )
    api_version: Literal["v1beta", "v1", "v1alpha"] = Field("v1beta", description="Version in the Gemini API's path.")
    model: str = Field("gemini-3.8-live", min_length=1, description="Live model.")
    voice: str | None = Field(None, description="One of the prebuilt voices, such as `Kore`; empty: the model's own.")
    system_instruction: str = Field(
        "You are talking with a person who may show you things with a camera. Be brief and concrete.",
        description="What the model is told before the conversation.",
    )
    gemini_api_key: SecretStr | None = _secret(
        "GEMINI_API_KEY", "GOOGLE_API_KEY", description="Key of the Gemini Developer API. Never leaves the server."
    )
    vertex_project: str | None = Field(None, description="Google Cloud project, for `vertex`.")
    vertex_location: str = Field("us-central1", description="Google Cloud location, for `vertex`.")
    setup_timeout_s: float = Field(
        20.0, gt=0, description="Seconds Gemini may take from connect to `setupComplete` (seen hanging at 20 s)."
    )

    answer_timeout_s: float = Field(
        8.0, gt=0, description="Seconds of silence after the person has spoken before the model is asked again."
    )

    # Memory
    context_budget_tokens: int = Field(
        40_000,
        ge=4_000,
        description="Context at which the conversation is summarised and a fresh link is opened; every turn bills all "
        "of it.",
    )
    summary_model: str | None = Field(
        "gemini-2.5-flash", description="Model that summarises; empty: the first sentences of each turn are kept."
    )
    summary_timeout_s: float = Field(8.0, gt=0, description="Seconds a summary may take before it is done without.")
    rehydrate_with: Literal["instruction", "content"] = Field(
        "instruction",
        description="How a fresh link is told the conversation: in the system instruction, which every model takes, or "
        "as `clientContent` where the model takes that.",
    )
    transcript_keep_s: float = Field(
        600.0, ge=0, description="Seconds the transcript of an ended session can still be fetched."
    )

    simulator_script: Path | None = Field(
        None, description="TOML file of what happens to calls with the embedded simulator (docs/simulator.md)."
    )

    # Tools
    profile: Path | None = Field(
        None, description="TOML file of a persona: model, voice, instruction and tools (docs/tools.md)."
    )
    tools: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Python modules whose `@tool` functions the model may call, comma-separated."
    )
    private_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Private addresses that HTTP tools, MCP servers and the JWKS URL may lead to, as networks such as "
        "`10.1.0.0/16`, comma-separated; every other private, loopback or link-local address is refused.",
    )
    http_tool_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts that the HTTP tools of a profile may ask, comma-separated."
    )
    mcp_servers: tuple[dict[str, Any], ...] = Field(
        (), description='Servers of the Model Context Protocol, JSON: `[{"name":…,"command":[…]}]` or with `url`.'
    )
    tool_timeout_s: float = Field(8.0, gt=0, description="Seconds a call may take, where the tool does not say.")
    tools_per_session: int = Field(4, ge=1, description="Calls of one session at once; more wait.")
    tools_per_process: int = Field(32, ge=1, description="Calls of all sessions at once; more wait.")
    tool_result_max_bytes: int = Field(
        16_384, ge=256, description="Largest result the model is told; a larger one is told as an error."
    )

    # Many workers and machines
    workers: int = Field(1, ge=1, le=64, description="Processes that share the port; each has a UDP port of its own.")
    store: str = Field(
        "memory",
        pattern=r"^(memory|sqlite:.+|(redis|rediss|unix)://.+)$",
        description="Where records of sessions are kept: `memory`, or `redis://…` for many machines. Several workers "
        "share a file of their own when this says `memory`.",
    )
    store_password: SecretStr | None = _secret(
        "GATEWAY_STORE_PASSWORD", description="Password of Redis, instead of one in its address."
    )
    node_url: str | None = Field(
        None,
        pattern=r"^https?://",
        description="Where the other machines that share the store reach this one, such as `http://10.0.0.5:8080`.",
    )
    lease_s: float = Field(
        10.0,
        ge=1,
        description="Seconds without a sign of life after which other nodes may take a node's sessions over.",
    )
    drain_s: float = Field(
        20.0, ge=0, description="Seconds that calls have to move to another node, or to end, before a shutdown."
    )

    # The picture
    video: bool = Field(True, description="False: no camera is taken; calls are voice alone.")
    video_fps_min: float = Field(1.0, gt=0, le=30, description="Frames a second sent to the model of a still picture.")
    video_fps_max: float = Field(
        3.0, gt=0, le=30, description="Frames a second sent of a moving picture. Google documents at most 1."
    )
    video_size_px: int = Field(512, ge=64, le=2048, description="Longest side of a frame sent to the model, in pixels.")
    video_max_bytes: int = Field(30720, ge=2048, description="Largest JPEG sent to the model, in bytes.")
    video_key_frames: bool = Field(
        False,
        description="Decode only key frames of cameras that send far more often than pictures are wanted, and ask for "
        "them: a third to a half less processor time for a call with 30 frames a second, and two pictures a second at "
        "most. Key frames are large: for callers with bandwidth.",
    )

    # The call
    ice_servers: tuple[IceServer, ...] = Field(
        (),
        description='STUN and TURN servers for the browser, JSON: `[{"urls":"turn:…","username":…,"credential":…}]`.',
    )
    turn_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="TURN servers that know `GATEWAY_TURN_SECRET`, such as `turn:turn.example:3478?transport=udp`, "
        "comma-separated; every caller gets credentials of its own.",
    )
    turn_secret: SecretStr | None = _secret(
        "GATEWAY_TURN_SECRET", description="coturn's `static-auth-secret`. Never leaves the server."
    )
    turn_secret_previous: SecretStr | None = _secret(
        "GATEWAY_TURN_SECRET_PREVIOUS",
        description="The secret before: while it is set, callers get credentials of both, and either server takes one.",
    )
    turn_ttl_s: float = Field(
        14_400.0, ge=60, le=86_400, description="Seconds TURN credentials are valid: longer than a call."
    )
    udp_port: int = Field(0, ge=0, le=65535, description="UDP port of all calls of this process; 0 takes a free one.")
    udp_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Networks whose addresses are used for media, such as `10.0.0.0/8`, comma-separated; empty: all.",
    )
    udp_advertised: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses that browsers are told instead of the machine's own (NAT 1:1, Docker), as `address` or "
        "`address:port`, comma-separated: one for each of the machine's, and any further ones that lead here too, such "
        "as the private one that a relay beside the gateway uses.",
    )
    audio_redundancy: bool = Field(
        True,
        description="Speech in each packet and the next (RED): 40 kbit/s more, and a lost packet is there 20 ms later "
        "instead of a round trip. The model's voice is sent so while packets get lost, thrice while many do.",
    )
    audio_packet_ms: int = Field(
        20,
        ge=20,
        le=60,
        multiple_of=20,
        description="Sound in each packet that browsers are asked for: 20, 40 or 60 ms. With 40 a call takes a tenth "
        "less of the processor and 10 kbit/s less of the network; speech comes 20 ms later, and with a lost packet "
        "twice as much of it is gone.",
    )
    connect_timeout_s: float = Field(
        15.0, gt=0, description="Seconds a browser may take from the answer to connected media."
    )
    detach_grace_s: float = Field(
        60.0, ge=0, description="Seconds a conversation is kept after its browser has gone, for it to come back."
    )

    # What operators see
    test_modes: bool | None = Field(
        None,
        description="Lets callers ask for an echo, a tone or the simulator instead of the model, for a bad network and "
        "for faults (docs/qa.md). Unset: only where the listener is on a loopback address and open.",
    )
    # What a client says
    message_max_bytes: int = Field(
        65_536,
        ge=16_384,
        le=131_072,  # half of what the data channel lets wait (media/sctp.py)
        description="Largest message of a client, over the data channel or the event WebSocket; a larger one is "
        "refused in words.",
    )
    messages_per_s: float = Field(
        20.0, gt=0, description="Messages of a client each second, three seconds of them at once; more are left unread."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["text", "json"] = Field(
        "text", description="`json`: one object a line, with the session it belongs to."
    )
    otlp_url: str | None = Field(
        None,
        description="Where each turn is sent to as a trace, such as `http://collector:4318/v1/traces` (OTLP over HTTP; "
        "needs the extra `tracing`); empty: nowhere.",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        split = {}
        for name in COMMA_SEPARATED:
            if isinstance(values.get(name), str):
                split[name] = tuple(part.strip() for part in values[name].split(",") if part.strip())
        return {**values, **split}

    @model_validator(mode="after")
    def _fps_in_order(self) -> Settings:
        if self.video_fps_min > self.video_fps_max:
            raise ValueError("GATEWAY_VIDEO_FPS_MIN must not be larger than GATEWAY_VIDEO_FPS_MAX")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only; `settings_sources` adds the environment and the files, so that tests see no machine."""
        return (init_settings,)

    @property
    def effective_upstream(self) -> Literal["gemini", "vertex", "simulator"]:
        """What `auto` stands for."""
        if self.upstream != "auto":
            return self.upstream
        return "gemini" if self.gemini_api_key else "simulator"

    @property
    def listens_on_loopback(self) -> bool:
        """True when only this machine can reach the listener."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def effective_auth(self) -> AuthModes:
        """Who is let in when nothing was said: anyone on a loopback address, token holders elsewhere."""
        if self.auth is not None:
            return self.auth
        return "open" if self.listens_on_loopback else "token"

    @property
    def effective_test_modes(self) -> bool:
        """Whether callers may ask for test modes. A loopback listener behind a proxy is not open, so they are off."""
        if self.test_modes is not None:
            return self.test_modes
        return self.listens_on_loopback and self.effective_auth == "open"

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that tell two sets of settings apart; no secret goes into them."""
        shown = self.model_dump(mode="json", exclude={*secret_fields(), "ice_servers"})
        shown["ice_servers"] = [server.urls for server in self.ice_servers]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]


def secret_fields() -> tuple[str, ...]:
    """Names of the fields whose values are hidden and which can be read from a `*_FILE`."""
    return tuple(name for name, field in Settings.model_fields.items() if field.annotation == (SecretStr | None))


def env_names(field_name: str) -> tuple[str, ...]:
    """The environment variables a field is read from, the preferred one first."""
    alias = Settings.model_fields[field_name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (PREFIX + field_name.upper(),)
