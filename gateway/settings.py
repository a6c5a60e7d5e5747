"""Every knob of the gateway, in one place.

Owns names, types, defaults, bounds and the words that describe them (the README's table is made from here). Sources,
first wins: arguments, environment, `*_FILE` secrets, the TOML file named by `GATEWAY_CONFIG`. It must not know what
the other modules do with a value, and it opens nothing but the files it is told to read.
**Invariant: a `Settings` object is complete and coherent; whatever is wrong is said by `load_settings`, in a sentence
that names the variable, before anything starts.**
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.errors import ConfigError

PREFIX = "GATEWAY_"

Upstreams = Literal["auto", "gemini", "vertex", "simulator"]
AuthModes = Literal["open", "token", "insecure-open"]


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


class Settings(BaseSettings):
    """The effective settings. Attribute `port` is read from `GATEWAY_PORT`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    # Where the gateway listens
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    auth: AuthModes | None = Field(
        None,
        description="`open` lets anyone in and is refused on any address but a loopback one, where it is the default; "
        "`insecure-open` lets anyone in on any address, for closed test networks.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the gateway, comma-separated; its own pages always may."
    )
    max_sessions: int = Field(100, ge=1, description="Sessions at once; one more is answered 503.")

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

    # The picture
    video_fps_min: float = Field(1.0, gt=0, le=30, description="Frames a second sent to the model of a still picture.")
    video_fps_max: float = Field(
        3.0, gt=0, le=30, description="Frames a second sent of a moving picture. Google documents at most 1."
    )
    video_size_px: int = Field(512, ge=64, le=2048, description="Longest side of a frame sent to the model, in pixels.")
    video_max_bytes: int = Field(30720, ge=2048, description="Largest JPEG sent to the model, in bytes.")

    # The call
    ice_servers: tuple[IceServer, ...] = Field(
        (), description='STUN and TURN servers for the browser, JSON: `[{"urls":"turn:…","username":…,"credential":…}]`.'
    )
    connect_timeout_s: float = Field(
        15.0, gt=0, description="Seconds a browser may take from the answer to connected media."
    )
    detach_grace_s: float = Field(
        60.0, ge=0, description="Seconds a conversation is kept after its browser has gone, for it to come back."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("cors_origins"), str):
            parts = (part.strip() for part in values["cors_origins"].split(","))
            values = {**values, "cors_origins": tuple(part for part in parts if part)}
        return values

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
        """Arguments only; `load_settings` adds the environment and the files, so that tests see no machine."""
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
        """`open` on a loopback address when nothing was said; raises ConfigError elsewhere (`check_start`)."""
        if self.auth is None and self.listens_on_loopback:
            return "open"
        if self.auth is None:
            return "token"
        return self.auth


SECRET_FIELDS = tuple(name for name, field in Settings.model_fields.items() if field.annotation == (SecretStr | None))


def env_names(field_name: str) -> tuple[str, ...]:
    """The environment variables a field is read from, the preferred one first."""
    alias = Settings.model_fields[field_name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (PREFIX + field_name.upper(),)
