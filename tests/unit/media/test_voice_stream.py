"""The model's voice as packets: one a beat, in step with RTP time, nothing in silence."""

import itertools

import numpy as np
import pytest

from gateway.media.opus import OpusDecoder, has_lbrr
from gateway.media.playout import CHUNK_BYTES, CHUNK_MS, RATE_HZ
from gateway.media.protection import Protection
from gateway.media.voice_stream import ENDING, HUSH, SILENCE, TICK_RTP, VoiceStream

CHUNK = (8000 * np.sin(2 * np.pi * 300 * np.arange(CHUNK_BYTES // 2) / RATE_HZ)).astype("<i2").tobytes()


class Line:
    """What one stream has sent."""

    def __init__(self) -> None:
        self.packets: list[tuple[bytes, int, bool]] = []
        self.stream = VoiceStream(lambda *packet: self.packets.append(packet))

    def play(self, pcm: bytes | None, beats: int = 1) -> None:
        """The same for so many beats of 20 ms."""
        for _ in range(beats):
            self.stream.play(pcm, 0)


def test_speech_leaves_as_opus_in_step_with_rtp_time() -> None:
    """One packet of 20 ms a beat, and nothing before speech; the first one is marked."""
    line = Line()
    line.play(None, 5)
    assert line.packets == []
    line.play(CHUNK, 10)
    times = [rtp_time for _, rtp_time, _ in line.packets]
    assert times[0] == 5 * TICK_RTP
    assert {after - before for before, after in itertools.pairwise(times)} == {TICK_RTP}
    assert [begins for *_, begins in line.packets] == [True] + [False] * 9
    assert len(OpusDecoder(16_000).decode(line.packets[5][0])) == 16_000 * CHUNK_MS // 1000 * 2


def test_of_silence_only_the_beginning_is_sent() -> None:
    """When speech is over, packets that say so follow and then none; what comes after it is marked again."""
    line = Line()
    line.play(CHUNK, 5)
    line.play(None, 40)
    assert [payload for payload, *_ in line.packets[5:]] == list(ENDING)
    line.play(CHUNK)
    assert line.packets[-1][1:] == (45 * TICK_RTP, True)


@pytest.mark.parametrize("packet", [HUSH, SILENCE])
def test_the_packets_of_silence_are_opus(packet: bytes) -> None:
    """A decoder takes each for 20 ms."""
    assert len(OpusDecoder(16_000).decode(packet)) == 16_000 * CHUNK_MS // 1000 * 2


@pytest.mark.parametrize("coarse_percent", [0, 10])
def test_a_voice_that_is_cut_off_does_not_hum_on(coarse_percent: int) -> None:
    """A decoder that gets nothing after the ending makes up nothing, whichever of its packets is lost."""
    for lost in range(len(ENDING)):
        line, decoder = Line(), OpusDecoder(RATE_HZ)
        line.stream.protect(Protection(coarse_percent=coarse_percent))
        line.play(CHUNK, 20)
        line.play(None, len(ENDING))
        for index, (payload, *_) in enumerate(line.packets):
            if index - 20 == lost:
                decoder.conceal(CHUNK_MS)
            else:
                decoder.decode(payload)
        made_up = np.frombuffer(b"".join(decoder.conceal(CHUNK_MS) for _ in range(20)), "<i2")
        assert np.abs(made_up).max() < 100, lost


def test_a_stall_is_skipped_and_not_sent_in_a_burst() -> None:
    """Beats that were missed move RTP time on; the packet after them is one packet."""
    line = Line()
    line.play(CHUNK)
    line.stream.play(CHUNK, 7)
    assert [rtp_time for _, rtp_time, _ in line.packets] == [0, 8 * TICK_RTP]


def test_a_network_with_losses_gets_other_packets() -> None:
    """Small ones where each goes thrice, and coarse copies where nothing else helps; CELT (RFC 6716 §3.1: those
    configured from 16 on) otherwise, and from the start."""
    line = Line()
    tone = np.sin(2 * np.pi * 300 * np.arange(RATE_HZ) / RATE_HZ) * np.linspace(0.1, 0.8, RATE_HZ)
    voiced = (tone * 32767).astype("<i2").tobytes()

    def said(protection: Protection | None) -> tuple[float, bool, bool]:
        """Bytes of a packet, whether there is a copy, whether all is CELT."""
        if protection is not None:
            line.stream.protect(protection)
        line.packets.clear()
        for begin in range(0, 40 * CHUNK_BYTES, CHUNK_BYTES):
            line.play(voiced[begin : begin + CHUNK_BYTES])
        payloads = [payload for payload, *_ in line.packets[20:]]
        size = float(np.mean([len(payload) for payload in payloads]))
        return size, any(map(has_lbrr, payloads)), all(payload[0] >> 3 >= 16 for payload in payloads)

    size, *celt = said(None)
    assert celt == [False, True]
    assert said(Protection(coarse_percent=10))[1:] == (True, False)
    assert said(Protection(bitrate_bps=28_000)) == (pytest.approx(size * 0.7, rel=0.1), False, True)
    assert said(Protection()) == (pytest.approx(size, rel=0.05), False, True)
