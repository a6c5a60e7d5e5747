"""A browser that can only use a relay, through a real coturn, in a real Chromium."""

from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from gateway.media.aiortc_internals import host_addresses
from tests.browser.conftest import CHROMIUM
from tests.browser.test_main_job import PATIENCE_MS, state
from tests.coturn import Coturn
from tests.measure.sound import Samples, read_wav
from tests.measure.words import THAT_SPEECH, arrival
from tests.programs import gateway_and_simulator, require

pytestmark = pytest.mark.browser

RATE_HZ = 16_000
RELAY_ONLY = """
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  constructor(given) { super({...given, iceTransportPolicy: "relay"}); window.peer = this; }
};
"""
PAIR = """async () => {
  const all = new Map((await window.peer.getStats()).entries());
  const transport = [...all.values()].find((one) => one.type === "transport");
  const local = all.get(all.get(transport.selectedCandidatePairId).localCandidateId);
  return [local.candidateType, local.relayProtocol];
}"""


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_browser_behind_a_firewall_talks_through_the_relay(
    devices: tuple[Path, Path], speech: Samples, tmp_path: Path, transport: str
) -> None:
    """With credentials of the REST form; what it says arrives and it is answered."""
    chromium = require("chromium", "apt-get install chromium")
    microphone, camera = devices
    recorded = tmp_path / "recorded"
    address = host_addresses()[0]
    # Behind NAT, with the relay on the gateway's side of it: the public address, which both tell, leads nowhere from
    # here; the two meet at the private one, which the gateway tells as well.
    public = "203.0.113.9" if transport == "udp" else address
    files = [f"--use-file-for-fake-audio-capture={microphone}%noloop", f"--use-file-for-fake-video-capture={camera}"]
    with (
        Coturn(address, tmp_path, PUBLIC_IPV4=public, PRIVATE_IPV4=address) as turn,
        gateway_and_simulator(
            tmp_path,
            recorded,
            GATEWAY_ICE_SERVERS=turn.servers(transport),
            GATEWAY_UDP_NETWORKS="0.0.0.0/0",
            GATEWAY_UDP_ADVERTISED=f"{public},{address}",
        ) as (gateway, simulator),
    ):
        async with async_playwright() as playwright:
            # The certificate of this coturn is its own.
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=[*CHROMIUM, *files, "--ignore-certificate-errors"]
            )
            page = await browser.new_page(permissions=["microphone", "camera"])
            await page.add_init_script(RELAY_ONLY)
            await page.goto(gateway.found)
            await page.get_by_role("button", name="Start").click()
            await state(page, "live")
            kind, relayed_over = await page.evaluate(PAIR)
            # Peer-reflexive where the relay is seen at another address than it tells: still the relay's own way.
            assert (kind, relayed_over) == ("prflx" if public != address else "relay", transport)
            answer = page.locator("#captions [data-who=model]").last
            await expect(answer).to_contain_text("seconds of speech", timeout=PATIENCE_MS)
            await page.get_by_role("button", name="End").click()
            await state(page, "ended")
            await browser.close()
        assert gateway.stop() == 0
        assert simulator.stop() == 0
        assert "ALLOCATE processed, success" in turn.log
    assert arrival(speech, read_wav(recorded / "1/audio.wav", RATE_HZ), RATE_HZ).share > THAT_SPEECH
