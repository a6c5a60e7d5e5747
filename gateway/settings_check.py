"""Which settings must not start together.

Owns these rules and their sentences. It must not know where a value came from.
**Invariant: a gateway that strangers can reach does not start unless something lets them in or keeps them out; each
refusal says what to set.**
"""

from __future__ import annotations

from pydantic import SecretStr

from gateway.errors import ConfigError
from gateway.settings import Settings, env_names, secret_fields

SECRET_LEAST_BYTES = 32  # RFC 7518 §3.2: no shorter than what HMAC-SHA-256 gives
PLACEHOLDERS = ("changeme", "change-me", "change_me")
SIGNED = ("jwt_secret", "jwt_secret_previous", "operator_key", "operator_key_previous")
VERIFIERS = ("jwt_secret", "jwt_public_key", "jwks_url")


def check_start(settings: Settings) -> None:
    """Raise ConfigError for what each value allows and all of them together do not."""
    _check_placeholders(settings)
    _check_open(settings)
    check_keys(settings)
    _check_turn(settings)
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together: set both, or none.")
    if settings.effective_upstream == "gemini" and settings.gemini_api_key is None and settings.upstream_url is None:
        raise ConfigError(
            "GATEWAY_UPSTREAM=gemini needs a key: set GEMINI_API_KEY or GEMINI_API_KEY_FILE, "
            "or unset GATEWAY_UPSTREAM to talk to the built-in simulator."
        )
    if settings.effective_upstream == "vertex" and not settings.vertex_project:
        raise ConfigError("GATEWAY_UPSTREAM=vertex needs GATEWAY_VERTEX_PROJECT, the Google Cloud project to bill.")


def _check_placeholders(settings: Settings) -> None:
    for name in secret_fields():
        secret: SecretStr | None = getattr(settings, name)
        if secret is not None and secret.get_secret_value().strip().lower().startswith(PLACEHOLDERS):
            raise ConfigError(
                f"{env_names(name)[0]} is still the placeholder of .env.example, which everybody knows: `make secrets` "
                "makes a .env with random ones, `openssl rand -hex 32` a single one."
            )


def _check_open(settings: Settings) -> None:
    if settings.effective_auth == "open" and not settings.listens_on_loopback:
        raise ConfigError(
            f"GATEWAY_AUTH=open lets anyone in and GATEWAY_HOST={settings.host} can be reached from other machines: "
            "listen on 127.0.0.1, or let tokens decide with GATEWAY_AUTH=token (`insecure-open` is for closed test "
            "networks)."
        )
    if settings.effective_auth == "token" and not any(getattr(settings, name) for name in VERIFIERS):
        why = (
            "GATEWAY_AUTH=token"
            if settings.auth is not None
            else f"GATEWAY_HOST={settings.host} can be reached from other machines, so callers need tokens"
        )
        raise ConfigError(
            f"{why}, and there is no key to check them with. Set GATEWAY_JWT_SECRET and GATEWAY_OPERATOR_KEY "
            "(`openssl rand -hex 32` makes one) and the gateway makes tokens (POST /v1/tokens), or set "
            "GATEWAY_JWT_PUBLIC_KEY or GATEWAY_JWKS_URL of the backend that signs them. "
            "To try a phone on your own network: gateway serve --lan."
        )


def check_keys(settings: Settings) -> None:
    """Raise ConfigError for keys that cannot do, alone or together."""
    for name in SIGNED:
        secret: SecretStr | None = getattr(settings, name)
        if secret is not None and len(secret.get_secret_value().encode()) < SECRET_LEAST_BYTES:
            raise ConfigError(
                f"{env_names(name)[0]} is shorter than {SECRET_LEAST_BYTES} bytes and could be guessed: make one with "
                "`openssl rand -hex 32`."
            )
    keys = [env_names(name)[0] for name in VERIFIERS if getattr(settings, name)]
    if len(keys) > 1:
        raise ConfigError(f"{' and '.join(keys)} are all set: keep one, so that it is clear who may sign tokens.")
    url = settings.jwks_url or "https://"
    if not url.startswith("https://") and not (url.startswith("http://") and settings.private_networks):
        raise ConfigError(
            "GATEWAY_JWKS_URL must begin with https://: whoever could change the answer on its way could sign tokens. "
            "http:// is for addresses that GATEWAY_PRIVATE_NETWORKS lists."
        )
    for name in ("jwt_secret", "jwt_public_key", "operator_key"):
        if getattr(settings, f"{name}_previous") and not getattr(settings, name):
            present = env_names(name)[0]
            raise ConfigError(f"{present}_PREVIOUS is set and {present} is not: the present one is missing.")


def _check_turn(settings: Settings) -> None:
    if bool(settings.turn_urls) != bool(settings.turn_secret):
        raise ConfigError("GATEWAY_TURN_URLS and GATEWAY_TURN_SECRET belong together: set both, or none.")
    for url in settings.turn_urls:
        if url.partition(":")[0] not in ("turn", "turns"):
            raise ConfigError(f"GATEWAY_TURN_URLS: {url!r} is not a turn: or turns: address.")
    if settings.turn_secret is not None and settings.effective_auth == "insecure-open":
        raise ConfigError(
            "GATEWAY_AUTH=insecure-open would give TURN credentials, and so the relay, to strangers: use "
            "GATEWAY_AUTH=token, or unset GATEWAY_TURN_SECRET."
        )
