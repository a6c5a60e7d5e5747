"""A call through bad networks, in a real Chromium: nothing that is said gets lost, whoever says it."""

import json
import signal
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from gateway.impair import Conditions
from gateway.simulator.voice import HUM_STEPS, note_hz
from tests.browser.conftest import Call
from tests.browser.ear import heard, listen, quiet_again
from tests.browser.test_main_job import PATIENCE_MS, RATE_HZ, state
from tests.browser.way import Way
from tests.measure.sound import Samples, read_wav, resample
from tests.measure.words import THAT_SPEECH, arrival

pytestmark = pytest.mark.browser

PHONE = Conditions(delay_ms=30, jitter_ms=15)
WORDS = 24  # each a note of its own
LOOK_S = 0.02
QUIET_S = 6.0  # after the last word: longer than any gap in between
SLIVER_S = 0.05  # of one note is the change to another, or a note that was cut off
NOTE_LEAST_S = 0.14  # of the 0.18 of a note, to count as said; what may be heard again of one before it is less


async def start(call: Call, way: Way) -> None:
    """Call through this way, until the model's voice can be heard."""
    await way.open(call.page)
    await call.page.get_by_role("button", name="Start").click()
    await state(call.page, "live")
    await call.page.wait_for_function("document.getElementById('voice').srcObject !== null", timeout=PATIENCE_MS)
    await listen(call.page)


async def type_words(call: Call) -> None:
    """Have the model hum so many words."""
    location = await call.page.evaluate("document.documentElement.dataset.call")
    url = call.gateway.found.rstrip("/") + location + "/events"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        text = " ".join(["word"] * WORDS)
        await socket.send_json({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": text}})
        async for message in socket:
            if json.loads(message.data)["type"] == "bot-started-speaking":
                return


def notes(sound: Samples, sound_hz: int) -> list[int]:
    """The hummed words in the order in which they were heard; one that went on after a silence counts once."""
    scale = np.array([note_hz(word) for word in range(HUM_STEPS)])
    look = int(sound_hz * LOOK_S)
    pieces: list[tuple[int, float]] = []
    for at in range(0, sound.size - 2 * look, look):
        piece = sound[at : at + 2 * look] * np.hanning(2 * look)
        if np.sqrt(np.mean(piece**2)) < 0.01:
            continue
        spectrum = np.abs(np.fft.rfft(piece, 8 * sound_hz // 10))
        found_hz = float(np.argmax(spectrum)) * sound_hz / (8 * sound_hz // 10)
        if found_hz < scale[0] / 2:
            continue  # a click, where a note was cut off
        nearest = int(np.argmin(np.abs(np.log2(scale / found_hz))))
        if abs(np.log2(scale[nearest] / found_hz)) > 1 / 36:
            continue  # the chime, or the change from one note to the next
        pieces.append((nearest, LOOK_S))
    for least_s in (0.0, SLIVER_S, NOTE_LEAST_S):
        pieces = joined([(note, lasted_s) for note, lasted_s in pieces if lasted_s > least_s])
    return [note for note, _ in pieces]


def joined(pieces: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Neighbours of the same note are one."""
    return [(note, sum(lasted_s for _, lasted_s in same)) for note, same in groupby(pieces, key=itemgetter(0))]


async def end(call: Call, way: Way) -> None:
    """Hang up; the recordings are then complete."""
    await call.page.get_by_role("button", name="End").click()
    await state(call.page, "ended")
    await call.page.unroute_all(behavior="wait")
    assert call.gateway.stop() == 0
    assert call.simulator.stop() == 0
    way.close()


async def test_a_tenth_of_all_packets_is_lost_and_every_word_arrives(call: Call, speech: Samples) -> None:
    """In both directions: the model hears the sentence, and the person the answer."""
    way = Way(Conditions(loss=0.1, delay_ms=30, jitter_ms=15))
    await start(call, way)
    answer = call.page.locator("#captions [data-who=model]").last
    await answer.wait_for(timeout=PATIENCE_MS)
    await quiet_again(call.page, PATIENCE_MS)
    sound, sound_hz = await heard(call.page)
    await end(call, way)
    line = read_wav(call.recorded / "1/audio.wav", RATE_HZ)
    assert arrival(speech, line, RATE_HZ).share > THAT_SPEECH
    assert arrival(speech, resample(sound, sound_hz, RATE_HZ), RATE_HZ).share > THAT_SPEECH
    assert way.relay.up.lost > 20


async def lose_the_way(way: Way, call: Call, how: str) -> None:
    """What happens in the middle of an answer."""
    page = call.page
    if how in ("blackout", "stall"):
        way.relay.black_out(3.0)
        if how == "stall":  # a gateway that stands still has said nothing meanwhile
            call.gateway.send(signal.SIGSTOP)
            await page.wait_for_timeout(500)
            call.gateway.send(signal.SIGCONT)
    elif how == "address":
        way.relay.change_address()
    else:
        if how == "reattach":  # the next request is that for a restart
            await page.route("**/v1/sessions/*", lambda route: route.fulfill(status=409), times=1)
        await way.another_network(PHONE)
        await page.evaluate("() => window.dispatchEvent(new Event('online'))")


@pytest.mark.parametrize("how", ["blackout", "stall", "address", "restart", "reattach"])
async def test_no_word_of_the_answer_is_lost_or_said_twice(call: Call, how: str, tmp_path: Path) -> None:
    """Whatever happens to the way while the model speaks: the scale that it hums is heard whole and in order."""
    way, peers = Way(PHONE), []
    await start(call, way)
    await call.page.get_by_role("button", name="Mute").click()  # nobody interrupts
    call.page.on("request", lambda request: peers.append(request) if request.url.endswith("/peer") else None)
    await type_words(call)
    await call.page.wait_for_timeout(1500)
    await lose_the_way(way, call, how)
    await quiet_again(call.page, PATIENCE_MS, QUIET_S)
    words = notes(*await heard(call.page))
    await end(call, way)
    assert words == list(range(WORDS))
    assert len(peers) == (how == "reattach"), "a new peer only where the restart was refused"
    assert len(list(call.recorded.iterdir())) == 1, "one conversation with the model"
