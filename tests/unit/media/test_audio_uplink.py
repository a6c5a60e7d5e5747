"""The microphone through whole networks, on a virtual clock: seeded, so that each figure is the same on any machine."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from aiortc.codecs.opus import OpusDecoder as StockDecoder
from aiortc.jitterbuffer import JitterFrame

from gateway.impair import Conditions
from gateway.media.audio_uplink import LOOK_EACH
from gateway.media.rtp import Packet
from gateway.media.timeline import BLOCK_MS, PAUSE_S, Timeline
from gateway.telemetry import metrics
from tests.measure.sound import aligned, find, read_wav, resample
from tests.phone import OPUS, PACKET_S, PACKET_TICKS, RATE_HZ, Phone

SPEECH = read_wav(Path(__file__).parents[2] / "corpus/speech/question.wav", RATE_HZ)
LEAD = ROOM = RATE_HZ
TIMES = 4
MOBILE = {"delay_ms": 30.0, "jitter_ms": 15.0}


def said(times: int = TIMES) -> bytes:
    """The sentence with pauses."""
    line = np.concatenate([np.zeros(LEAD), *[SPEECH, np.zeros(ROOM)] * times])
    return (line * 32767).astype("<i2").tobytes()


def shares(timeline: Timeline) -> dict[str, float]:
    """Of the line, in percent."""
    found = asdict(timeline.shares)
    return {how: 100 * ms / sum(found.values()) for how, ms in found.items()}


def likenesses(sound: np.ndarray, times: int = TIMES) -> list[float]:
    """How well each repetition of the sentence is found."""
    found = []
    for index in range(times):
        begin = LEAD + index * (SPEECH.size + ROOM) - RATE_HZ // 2
        found.append(find(SPEECH, sound[begin : begin + SPEECH.size + RATE_HZ], RATE_HZ).correlation)
    return found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("red", [True, False])
@pytest.mark.parametrize(
    ("conditions", "likeness", "concealed"),
    [
        (Conditions(), 0.97, 0.1),
        (Conditions(**MOBILE), 0.97, 0.1),
        (Conditions(loss=0.05, **MOBILE), 0.95, 0.5),
        (Conditions(loss=0.1, **MOBILE), 0.95, 1.0),
        (Conditions(loss=0.2, **MOBILE), 0.93, 3.0),
        (Conditions(delay_ms=30, jitter_ms=30), 0.95, 0.5),
        (Conditions(loss=0.1, delay_ms=150, jitter_ms=15), 0.93, 5.0),
        (Conditions(loss=0.05, duplicate=0.2, **MOBILE), 0.95, 0.5),
    ],
    ids=["clean", "mobile", "5", "10", "20", "jitter", "far-10", "twice"],
)
def test_every_word_reaches_the_model(
    conditions: Conditions, likeness: float, concealed: float, red: bool, seed: int
) -> None:
    """The line is as long as what was said; speech is like its source; little is guessed; nothing piles up."""
    phone = Phone(said(), conditions, red=red, seed=seed)
    heard = phone.run()
    assert abs(heard.sound.size / len(said()) * 2 - 1) < 0.02
    assert np.mean(likenesses(heard.sound)) >= likeness
    assert shares(phone.uplink.timeline)["concealed"] <= concealed * (1 if red else 2)
    assert heard.most_waiting < 60
    assert heard.asked <= 12 * len(phone.sent) * max(0.02, conditions.loss + conditions.jitter_ms / 300)


@pytest.mark.parametrize("packet_ms", [40, 60])
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_packets_may_have_more_sound(packet_ms: int, loss: float) -> None:
    """As a browser was asked for, or a sender does by itself: all of it comes, and each level stands for as much."""
    phone = Phone(said(), Conditions(loss=loss, **MOBILE), red=True, packet_ms=packet_ms)
    heard = phone.run()
    assert abs(heard.sound.size / len(said()) * 2 - 1) < 0.02
    assert np.mean(likenesses(heard.sound)) >= 0.95
    assert shares(phone.uplink.timeline)["concealed"] <= (packet_ms / 30 if loss else 0.1)
    assert heard.levels_ms >= (1 - loss) * 0.9 * len(said()) / 32
    assert heard.levels_ms <= len(said()) / 32


def test_the_delay_is_short_where_it_can_be() -> None:
    """Without loss, and with RED also at 10 %, the line follows within 60 ms; at 10 % with more jitter within 110."""
    for conditions, most_s in (
        (Conditions(), 0.06),
        (Conditions(**MOBILE), 0.06),
        (Conditions(loss=0.1, **MOBILE), 0.08),
        (Conditions(loss=0.1, delay_ms=30, jitter_ms=30), 0.11),
    ):
        heard = Phone(said(), conditions, red=True).run()
        assert float(np.median(heard.delays_s)) <= most_s


def test_the_delay_comes_back_down_when_the_network_does() -> None:
    """A bad minute in the middle; afterwards the wait is as short as before, and nothing was lost by it."""
    phone = Phone(said(12), Conditions(**MOBILE))
    targets: list[tuple[float, float]] = []

    def look(now_s: float) -> None:
        targets.append((now_s, phone.uplink.timeline.lag_s))
        worse = Conditions(loss=0.1, delay_ms=60, jitter_ms=55)
        phone.up.conditions = worse if 30 < now_s < 60 else Conditions(**MOBILE)

    phone.run(look=look)
    during = [lag_s for now_s, lag_s in targets if 45 < now_s < 60]
    after = [lag_s for now_s, lag_s in targets if now_s > 85]
    assert np.median(during) > 0.1
    assert np.median(after) < 0.06


@pytest.mark.parametrize(("ppm", "hours"), [(200.0, 2.0), (-200.0, 0.25)])
def test_a_clock_that_runs_differently_is_followed_for_hours(ppm: float, hours: float) -> None:
    """Two hours at 200 ppm are 1.4 s in all, followed in steps that are not heard; nothing is lost or piles up."""
    phone = Phone(said(1), ppm=ppm)
    pattern = phone.sent
    begun = pattern[0][1]
    phone.sent = [
        (
            index * PACKET_S * (1 + ppm * 1e-6),
            Packet(
                OPUS,
                (begun.sequence + index) % 65536,
                (begun.timestamp + index * PACKET_TICKS) % 2**32,
                begun.ssrc,
                pattern[index % len(pattern)][1].payload,
            ),
        )
        for index in range(int(hours * 3600 * 50))
    ]
    heard = phone.run()
    timeline = phone.uplink.timeline
    lasted_s = hours * 3600 * (1 + ppm * 1e-6)
    assert abs(heard.sound.size / RATE_HZ - lasted_s) < 1.5
    assert abs(timeline.stretched_ms - hours * 3_600_000 * ppm * 1e-6) < 100
    assert shares(timeline)["received"] > 99.9
    assert abs(phone.uplink.packets.skew_ppm + ppm) < 20
    assert heard.most_waiting < 10
    assert max(heard.delays_s[:-20]) < 0.1


def test_hours_of_dtx_are_a_steady_line() -> None:
    """A packet every 400 ms for two hours: one line without a pause, and nothing grows."""
    phone = Phone(said(1))
    silence = b"\x48"
    begun = phone.sent[0][1]
    phone.sent = [
        (
            index * 0.4,
            Packet(OPUS, (begun.sequence + index) % 65536, (begun.timestamp + index * 19_200) % 2**32, 7, silence),
        )
        for index in range(2 * 3600 * 5 // 2)
    ]
    heard = phone.run(seconds=2 * 3600)
    assert abs(heard.sound.size / RATE_HZ - 2 * 3600) < 3
    assert heard.pauses == []
    assert heard.most_waiting < 10
    assert heard.asked == 0


def test_mute_is_a_pause_that_is_told_once() -> None:
    """Some seconds without any packet, then speech again, whole."""
    phone = Phone(said(2))
    half = len(phone.sent) // 2
    phone.sent = phone.sent[:half] + [(at_s + 5, packet) for at_s, packet in phone.sent[half:]]
    heard = phone.run(seconds=phone.sent[-1][0] + 2)
    assert len(heard.pauses) == 2  # the second one is the end
    assert abs(heard.pauses[0] - half * PACKET_S - PAUSE_S) < 0.1
    assert find(SPEECH, heard.sound[heard.sound.size // 2 :], RATE_HZ).correlation > 0.95


def test_a_sender_that_starts_anew_loses_nothing() -> None:
    """Another stream with other numbers and times in the middle of a call: both halves are heard."""
    phone, other = Phone(said(1)), Phone(said(1), first_sequence=12, first_timestamp=99)
    begin_s = phone.sent[-1][0] + PACKET_S
    phone.sent += [
        (begin_s + at_s, Packet(OPUS, packet.sequence, packet.timestamp, 8, packet.payload))
        for at_s, packet in other.sent
    ]
    heard = phone.run()
    half = heard.sound.size // 2
    assert find(SPEECH, heard.sound[:half], RATE_HZ).correlation > 0.97
    assert find(SPEECH, heard.sound[half:], RATE_HZ).correlation > 0.97
    assert shares(phone.uplink.timeline)["concealed"] < 0.5


def test_every_fifth_piece_is_looked_at() -> None:
    """Delays are counted five times less often than there are pieces; the level is that of the newest second alone."""
    name = "gateway_uplink_delay_seconds_count"
    before = metrics.REGISTRY.get_sample_value(name) or 0.0
    loud = (np.sin(np.arange(2 * RATE_HZ) * 0.2) * 8000).astype("<i2").tobytes()
    phone = Phone(loud + bytes(len(loud)), Conditions())
    heard = phone.run()
    counted = (metrics.REGISTRY.get_sample_value(name) or 0.0) - before
    assert counted == heard.sound.size // (RATE_HZ * BLOCK_MS // 1000) // LOOK_EACH
    assert phone.uplink.figures()["rms_dbov"] < -60
    phone = Phone(loud, Conditions())
    phone.run()
    assert -18 < phone.uplink.figures()["rms_dbov"] < -14  # 8000 of 32768 less 3 dB, and the guess after its end
    assert 0.2 < phone.uplink.figures()["peak"] < 0.3


def test_without_loss_it_is_what_aiortc_decodes() -> None:
    """The oracle: aiortc's own decoder at 48 kHz in stereo, brought to 16 kHz mono; the same sound."""
    phone = Phone(said(1))
    stock, frames = StockDecoder(), []
    for _, packet in phone.sent:
        (frame,) = stock.decode(JitterFrame(data=packet.payload, timestamp=packet.timestamp))
        frames.append(frame.to_ndarray().reshape(-1)[::2].astype(float) / 32768)
    oracle = resample(np.concatenate(frames), 48_000, RATE_HZ)
    ours = phone.run().sound
    begin = LEAD + RATE_HZ // 2
    piece = oracle[begin : begin + SPEECH.size // 2]
    assert np.corrcoef(piece, aligned(piece, ours, RATE_HZ))[0, 1] > 0.97
