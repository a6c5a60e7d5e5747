"""Where the Live API is and how to be let in."""

import pytest

from gateway.live.upstream import upstream_from, vertex_host
from gateway.settings import Settings


async def test_gemini_is_reached_with_the_key_in_a_header() -> None:
    """The key is in no URL and no repr."""
    upstream = upstream_from(Settings(gemini_api_key="s3cret"), None)
    assert upstream.url == (
        "wss://generativelanguage.googleapis.com"
        "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert upstream.model == "models/gemini-3.8-live"
    assert await upstream.headers() == {"x-goog-api-key": "s3cret"}
    assert "s3cret" not in repr(upstream)


async def test_another_base_and_version_keep_the_path() -> None:
    """GATEWAY_UPSTREAM_URL is a base; the API's path is appended."""
    settings = Settings(gemini_api_key="k", upstream_url="ws://127.0.0.1:9911/", api_version="v1alpha")
    assert upstream_from(settings, None).url == (
        "ws://127.0.0.1:9911/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
    )


async def test_the_simulator_gets_no_key() -> None:
    """A key that is set does not leave for a stand-in."""
    upstream = upstream_from(Settings(upstream="simulator", gemini_api_key="s3cret"), "ws://127.0.0.1:1")
    assert upstream.url.startswith("ws://127.0.0.1:1/ws/")
    assert await upstream.headers() == {}


async def test_vertex_is_reached_with_a_fresh_bearer_each_time() -> None:
    """A token lives for an hour, so every handshake asks for one."""
    tokens = iter(["first", "second"])
    settings = Settings(upstream="vertex", vertex_project="p", vertex_location="europe-west4")
    upstream = upstream_from(settings, None, bearer=lambda: next(tokens))
    assert upstream.url == (
        "wss://europe-west4-aiplatform.googleapis.com/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    )
    assert upstream.model == "projects/p/locations/europe-west4/publishers/google/models/gemini-3.8-live"
    assert await upstream.headers() == {"Authorization": "Bearer first"}
    assert await upstream.headers() == {"Authorization": "Bearer second"}


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
    ],
)
def test_each_location_has_its_host(location: str, host: str) -> None:
    """Global, multi-region and regional addresses differ in form."""
    assert vertex_host(location) == host
