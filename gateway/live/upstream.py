"""Where the Live API is and how to be let in.

Owns addresses, model resource names and credentials of both platforms. It must not know what is said on a link.
**Invariant: a credential goes into a header, never into a URL, a log line or an error.**
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import ConfigError, UpstreamAuth
from gateway.settings import Settings

GEMINI_URL = "wss://generativelanguage.googleapis.com"
GEMINI_PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"
VERTEX_PATH = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
VERTEX_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

Bearer = Callable[[], str]  # a fresh OAuth access token; may block


@dataclass(frozen=True, slots=True)
class Upstream:
    """One way to the Live API."""

    url: str  # with the API's path
    model: str  # as `setup.model` names it
    setup_timeout_s: float
    rest_url: str | None = None  # `…/models/` of the REST API beside it; None where there is none
    api_key: str | None = field(default=None, repr=False)
    bearer: Bearer | None = field(default=None, repr=False)

    async def headers(self) -> dict[str, str]:
        """What a handshake sends; fresh for each, because a token lives for an hour. Raises UpstreamAuth."""
        if self.bearer is not None:
            return {"Authorization": f"Bearer {await asyncio.to_thread(self.bearer)}"}
        return {"x-goog-api-key": self.api_key} if self.api_key else {}

    def generate_content_url(self, model: str) -> str | None:
        """Where `generateContent` of a model is; None where the upstream has none."""
        return f"{self.rest_url}{model.removeprefix('models/')}:generateContent" if self.rest_url else None


def upstream_from(settings: Settings, simulator_url: str | None, bearer: Bearer | None = None) -> Upstream:
    """The upstream of these settings; raises ConfigError.

    `simulator_url` is the embedded simulator's; `bearer` replaces Google's Application Default Credentials.
    """
    if settings.effective_upstream == "vertex":
        base = settings.upstream_url or f"wss://{vertex_host(settings.vertex_location)}"
        models = f"projects/{settings.vertex_project}/locations/{settings.vertex_location}/publishers/google/models/"
        return Upstream(
            base.rstrip("/") + VERTEX_PATH,
            models + settings.model,
            settings.setup_timeout_s,
            rest_url=f"{_http(base)}/v1beta1/{models}",
            bearer=bearer or application_default_credentials(),
        )
    base = settings.upstream_url or simulator_url or GEMINI_URL
    key = settings.gemini_api_key.get_secret_value() if settings.gemini_api_key else None
    return Upstream(
        base.rstrip("/") + GEMINI_PATH.format(version=settings.api_version),
        f"models/{settings.model.removeprefix('models/')}",
        settings.setup_timeout_s,
        rest_url=f"{_http(base)}/{settings.api_version}/models/" if settings.effective_upstream == "gemini" else None,
        # The simulator needs no key, and a key has no business outside Google's own service or the operator's choice.
        api_key=key if settings.effective_upstream == "gemini" else None,
    )


def _http(base: str) -> str:
    """The same host over HTTP."""
    return "http" + base.rstrip("/").removeprefix("ws")


def vertex_host(location: str) -> str:
    """The host of a Google Cloud location: a region, `global`, or the multi-regions `us` and `eu`."""
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def application_default_credentials() -> Bearer:
    """Access tokens of google-auth's Application Default Credentials; raises ConfigError when they are not there."""
    try:
        import google.auth
        import google.auth.exceptions
        import google.auth.transport.requests
    except ImportError:
        raise ConfigError(
            "GATEWAY_UPSTREAM=vertex needs google-auth: pip install 'gemini-live-gateway[vertex]'."
        ) from None
    try:
        credentials: Any = google.auth.default(scopes=[VERTEX_SCOPE])[0]
    except google.auth.exceptions.DefaultCredentialsError:
        raise ConfigError(
            "GATEWAY_UPSTREAM=vertex found no Google credentials: run `gcloud auth application-default login`, "
            "or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file."
        ) from None

    def token() -> str:
        try:
            credentials.refresh(google.auth.transport.requests.Request())
        except google.auth.exceptions.GoogleAuthError as error:
            raise UpstreamAuth(f"Google refused the gateway's credentials ({type(error).__name__}).") from error
        return str(credentials.token)

    return token
