"""WHIP and WHEP clients of others in Chromium, on pages of another origin than the gateway's."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, BrowserContext, Page, Request

from tests.browser.ear import heard, listen, quiet_again
from tests.interop.conftest import HERE, RATE_HZ, check_heard, check_speech, run
from tests.measure.sound import Samples, resample
from tests.programs import Program, gateway_and_simulator

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000
PAGE = b"<!doctype html><title>client</title><audio id=voice></audio><script type=module src=/clients.js></script>"


@pytest.fixture(scope="session")
def script(node: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """`clients.js` and the packages it imports, in one file."""
    bundle = tmp_path_factory.mktemp("clients") / "clients.js"
    run([node, str(HERE / "bundle.mjs"), str(HERE / "clients.js"), str(bundle)])
    return bundle.read_bytes()


@pytest.fixture
async def site(script: bytes) -> AsyncIterator[str]:
    """The origin of the client's page."""
    files = {"/": (PAGE, "text/html"), "/clients.js": (script, "text/javascript")}

    async def serve(request: web.Request) -> web.Response:
        body, content_type = files.get(request.path, (b"", "text/plain"))
        return web.Response(body=body, content_type=content_type)

    application = web.Application()
    application.router.add_get("/{path:.*}", serve)
    async with TestServer(application) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
def gateway(site: str, tmp_path: Path, recorded: Path) -> Iterator[Program]:
    """A gateway that the client's page may call."""
    with gateway_and_simulator(tmp_path, recorded, GATEWAY_CORS_ORIGINS=site) as (running, _):
        yield running
        assert "Traceback" not in running.log


@dataclass
class Client:
    """A page with the clients on it, and what it asked of the gateway."""

    page: Page
    requests: list[Request]

    async def asked(self, method: str) -> list[tuple[int, dict[str, str]]]:
        """(status, headers sent) of its requests with this method."""
        found = []
        for request in self.requests:
            response = await request.response() if request.method == method else None
            if response is not None:
                found.append((response.status, await request.all_headers()))
        return found


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """Where microphone and camera are allowed."""
    opened = await browser.new_context(permissions=["microphone", "camera"])
    yield opened
    await opened.close()


async def open_client(context: BrowserContext, site: str, gateway: Program) -> Client:
    """A page of the site."""
    page = await context.new_page()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request) if request.url.startswith(gateway.found) else None)
    await page.goto(f"{site}/")
    await page.wait_for_function("window.publishWithEyevinn !== undefined")
    return Client(page, requests)


async def test_medooze_speaks_in_and_a_loudspeaker_hears_the_answer(
    context: BrowserContext, site: str, gateway: Program, recorded: Path, speech: Samples
) -> None:
    """WHIP in one page, WHEP in another: speech arrives, the answer is heard; a refused restart and a listener that
    leaves change nothing; the end of the camera is the end of the session."""
    camera = await open_client(context, site, gateway)
    await camera.page.evaluate("url => publishWithMedooze(url)", f"{gateway.found}whip/hall")
    speaker = await open_client(context, site, gateway)
    await speaker.page.evaluate("url => listenWithMedooze(url)", f"{gateway.found}whep/hall")
    await listen(speaker.page)
    await quiet_again(speaker.page, PATIENCE_MS)
    sound, sound_hz = await heard(speaker.page)
    assert [status for status, _ in await camera.asked("PATCH")] == [204] * len(await camera.asked("PATCH"))
    assert all(headers["if-match"] for _, headers in await camera.asked("PATCH"))

    refusal = await camera.page.evaluate("whip.restart().catch(error => error.message)")
    assert refusal == "Request rejected with status 422"
    await speaker.page.evaluate("whep.stop()")
    assert await speaker.page.evaluate("fetch(whep.resourceURL).then(response => response.status)") == 404
    assert await camera.page.evaluate("fetch(whip.resourceURL).then(response => response.status)") == 204
    await camera.page.evaluate("whip.stop()")
    assert [status for status, _ in await camera.asked("DELETE")] == [200]
    assert "ends: You ended the call." in gateway.log

    check_heard(recorded / "1", speech)
    assert list((recorded / "1").glob("frame-*.jpg"))
    check_speech(resample(sound, sound_hz, RATE_HZ), speech)


async def test_eyevinn_speaks_in(
    context: BrowserContext, site: str, gateway: Program, recorded: Path, speech: Samples
) -> None:
    """Each candidate is taken as this client sends it, and speech arrives."""
    camera = await open_client(context, site, gateway)
    await camera.page.evaluate("url => publishWithEyevinn(url)", f"{gateway.found}whip")
    session = await camera.page.evaluate("whip.getResourceUrl().then(url => url.split('/whip/')[0])")
    await camera.page.evaluate("session => answered(session)", session)
    patched = await camera.asked("PATCH")
    assert patched
    assert {status for status, _ in patched} == {204}
    await camera.page.evaluate("whip.destroy()")
    assert [status for status, _ in await camera.asked("DELETE")] == [200]
    check_heard(recorded / "1", speech)
