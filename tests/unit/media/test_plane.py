"""The RTP plane of one peer, against a browser's side of SRTP."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pylibsrtp
import pytest
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    unpack_remb_fci,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from gateway.guard.intake import Intake, Verdict
from gateway.media import rtcp, rtp
from gateway.media.answer import Formats
from gateway.media.audio_uplink import AudioUplink
from gateway.media.bandwidth import LEAST_BPS
from gateway.media.jpeg import JpegWorker
from gateway.media.opus import OpusEncoder
from gateway.media.pictures import Pictures
from gateway.media.plane import Plane
from gateway.media.protection import Protection
from gateway.media.video_uplink import VideoUplink
from gateway.settings import Settings
from tests.clock import run_virtual, virtually

OPUS, RED, VP8, RTX = 111, 63, 96, 97
MIC, CAMERA, REPAIR, VOICE = 1, 2, 3, 9
KEY = bytes(range(30))
KEY_FRAME = b"\x10\x00key"


def session(direction: int) -> Session:
    """One direction of SRTP, with a known key and aiortc's policy."""
    policy = Policy(key=KEY, ssrc_type=direction)
    policy.allow_repeat_tx = direction == Policy.SSRC_ANY_OUTBOUND
    return Session(policy=policy)


class Browser:
    """The other side; also the plane's way to it."""

    def __init__(self, *, red: int | None = RED) -> None:
        self.srtp: tuple[Any, Any] | None = (session(Policy.SSRC_ANY_INBOUND), session(Policy.SSRC_ANY_OUTBOUND))
        self.rtt_s: float | None = 0.06
        self._out, self._in = session(Policy.SSRC_ANY_OUTBOUND), session(Policy.SSRC_ANY_INBOUND)
        self.rtp: list[bytes] = []  # sealed; the header is readable
        self.rtcp: list[AnyRtcpPacket] = []
        self.protections: list[Protection] = []
        self.levels: list[float] = []
        self.unheard: list[float] = []
        self.heard = bytearray()
        jpeg = JpegWorker()
        ignore = lambda *_: None  # noqa: E731
        video = VideoUplink(Pictures(Settings(), jpeg, ignore, ignore, ignore, itertools.count(1)))
        audio = AudioUplink(self.heard.extend, lambda: None, lambda level_dbov, _: self.levels.append(level_dbov))
        formats = Formats(OPUS, red, 1, {VP8: "vp8"}, {RTX: VP8})
        self.intake = Intake(8_000, 1_500)
        self.plane = Plane(
            self, formats, VOICE, audio, video, self.intake, self.protections.append, self.unheard.append
        )

    def send(self, datagram: bytes) -> bool:
        """What the plane sends."""
        if 64 <= datagram[1] & 0x7F < 96:
            self.rtcp += rtcp.parse(self._in.unprotect_rtcp(datagram))
        else:
            self.rtp.append(datagram)
        return True

    def says(self, sequence: int, payload: bytes, kind: int = OPUS, ssrc: int = MIC, *, marker: bool = False) -> None:
        """An RTP packet to the plane."""
        data = rtp.build(kind, sequence, sequence * 960, ssrc, payload, marker=marker)
        self.plane.received(self._out.protect(data))

    def reports(self, *packets: bytes) -> None:
        """A compound RTCP packet to the plane."""
        self.plane.received(self._out.protect_rtcp(b"".join(packets)))

    def asked(self, media_ssrc: int) -> list[int]:
        """Which sequence numbers the plane has asked for."""
        requests = [one for one in self.rtcp if isinstance(one, RtcpRtpfbPacket) and one.media_ssrc == media_ssrc]
        return [number for one in requests for number in one.lost]

    async def passes(self, seconds: float) -> None:
        """Time goes by, with a beat every 20 ms."""
        for _ in range(round(seconds / 0.02)):
            await asyncio.sleep(0.02)
            now_s = asyncio.get_running_loop().time()
            self.plane.tick(now_s)
            self.intake.look(now_s)


@virtually
async def test_what_is_said_arrives_and_is_reported() -> None:
    """Speech comes out as PCM; an SR or RR with the reception tells of it each second or so."""
    browser, encoder = Browser(), OpusEncoder(16_000)
    for sequence in range(200):
        browser.says(sequence, encoder.encode(b"\x10\x27\xf0\xd8" * 160))
        await browser.passes(0.02)
    assert len(browser.heard) >= 3.8 * 32_000
    reports = [info for one in browser.rtcp if isinstance(one, RtcpRrPacket) for info in one.reports]
    assert {info.ssrc for info in reports} == {MIC}
    assert reports[-1].packets_lost == 0


@virtually
async def test_a_loss_is_asked_for_as_soon_as_two_packets_have_overtaken() -> None:
    """In the moment of the arrival, before the next beat."""
    browser = Browser()
    for sequence in (10, 11, 12, 14):
        browser.says(sequence, b"\x48")
    browser.says(15, b"\x48")
    assert browser.asked(MIC) == [13]
    assert browser.plane.stats.nacks_sent == 1


@virtually
async def test_the_camera_is_asked_for_what_is_missing_and_for_key_frames() -> None:
    """Without a key frame a PLI; a repetition over RTX fills a hole; REMB tells what may be sent."""
    browser = Browser()
    browser.says(1, b"\x10\x01delta", VP8, CAMERA, marker=True)
    await browser.passes(0.04)
    assert [one.fmt for one in browser.rtcp if isinstance(one, RtcpPsfbPacket)] == [rtcp.PLI]
    browser.says(2, KEY_FRAME, VP8, CAMERA, marker=True)
    browser.says(4, b"\x10\x01delta", VP8, CAMERA, marker=True)
    await browser.passes(0.02)
    assert browser.asked(CAMERA) == [3]
    browser.says(77, b"\x00\x03\x10\x01delta", RTX, REPAIR, marker=True)
    await browser.passes(0.5)
    assert browser.asked(CAMERA).count(3) == 1
    assert not browser.plane._video.frames.needs_key  # type: ignore[union-attr]
    await browser.passes(2.0)
    assert rtcp.APPLICATION in {one.fmt for one in browser.rtcp if isinstance(one, RtcpPsfbPacket)}


@virtually
async def test_a_new_way_asks_for_a_key_frame() -> None:
    """What was under way is lost with the old one."""
    browser = Browser()
    browser.says(1, KEY_FRAME, VP8, CAMERA, marker=True)
    await browser.passes(0.1)
    assert browser.plane.stats.plis_sent == 0
    browser.plane.key_frame()
    await browser.passes(0.1)
    assert browser.plane.stats.plis_sent == 1


@virtually
async def test_the_voice_is_sent_again_to_who_asks() -> None:
    """The same packet, once a round trip; without RED the loss that is reported reaches the encoder, smoothed."""
    browser = Browser(red=None)
    for index in range(5):
        browser.plane.send_voice(b"voice%d" % index, index * 960, index == 0)
    third = browser.rtp[2]
    sequence = int.from_bytes(third[2:4], "big")
    for _ in range(2):
        browser.reports(rtcp.receiver_report(77, []), rtcp.nack(77, VOICE, [sequence]))
    assert browser.rtp[5:] == [third]
    await asyncio.sleep(0.1)
    browser.reports(rtcp.receiver_report(77, []), rtcp.nack(77, VOICE, [sequence]))
    assert browser.rtp[5:] == [third, third]
    await asyncio.sleep(0.1)
    browser.plane.forget_voice()
    browser.reports(rtcp.receiver_report(77, []), rtcp.nack(77, VOICE, [sequence]))
    assert browser.rtp[5:] == [third, third]
    reception = rtcp.Reception(VOICE, 48_000)
    for number in range(0, 200, 2):
        reception.add(number, number * 960, number * 0.02)
    info = reception.info(4.0)
    assert info is not None
    browser.reports(rtcp.receiver_report(77, [info]))
    assert browser.protections == [], "five packets say nothing"
    for turn in range(1, 21):
        for index in range(10):
            browser.plane.send_voice(b"voice", (turn * 10 + index) * 960, False)
        browser.reports(rtcp.receiver_report(77, [info]))
    percents = [protection.coarse_percent for protection in browser.protections]
    assert percents == sorted(set(percents)), "told when it changes"
    assert percents[-1] == 30
    assert 45 < browser.plane.stats.voice_loss_percent <= 50


@virtually
@pytest.mark.parametrize(("every", "copies"), [(10, [b"voice99"]), (5, [b"voice98", b"voice99"])])
async def test_a_voice_that_gets_lost_is_sent_twice_or_thrice(every: int, copies: list[bytes]) -> None:
    """Losses that were repaired in time, which the browser does not report, count too; each packet then has those
    before it, but not across a silence."""
    browser = Browser()
    for index in range(100):
        browser.plane.send_voice(b"voice%d" % index, index * 960, index == 0)
        await asyncio.sleep(0.02)
        if index % every == every - 1:
            sequence = int.from_bytes(browser.rtp[-1][2:4], "big")
            browser.reports(rtcp.receiver_report(77, []), rtcp.nack(77, VOICE, [sequence]))
        if index % 50 == 49:
            reception = rtcp.Reception(VOICE, 48_000)
            reception.add(1, 0, 0.0)
            browser.reports(rtcp.receiver_report(77, [info for info in [reception.info(1.0)] if info]))
    assert browser.plane.stats.voice_loss_percent > 4
    assert browser.protections[-1].copies == len(copies)
    assert not any(protection.coarse_percent for protection in browser.protections)
    browser.plane.send_voice(b"last", 100 * 960, False)
    browser.plane.send_voice(b"first", 105 * 960, True)
    packets = [rtp.parse(browser._in.unprotect(datagram)) for datagram in browser.rtp[-2:]]
    blocks = [[block.payload for block in rtp.unwrap_red(packet)] for packet in packets if packet]
    assert blocks == [[*copies, b"last"], [b"first"]]
    assert browser.rtp[0][1] & 0x7F == OPUS


@virtually
async def test_losses_on_the_way_here_protect_the_voice_before_it_is_lost() -> None:
    """The networks of both directions are mostly one."""
    browser, encoder = Browser(), OpusEncoder(16_000)
    for sequence in range(0, 400, 2):
        browser.says(sequence, encoder.encode(b"\x10\x27\xf0\xd8" * 160))
        await browser.passes(0.04)
    assert browser.plane.stats.voice_loss_percent == 0
    assert browser.protections[-1].copies == 2


@virtually
async def test_a_camera_that_floods_is_not_looked_at_and_speech_goes_on() -> None:
    """Its packets are dropped before they are decrypted; nothing is asked of it meanwhile, and a little is offered."""
    browser, encoder = Browser(), OpusEncoder(16_000)
    number = 0
    for turn in range(150):
        for _ in range(100):
            number += 1
            browser.says(number % 65_536, KEY_FRAME, VP8, CAMERA, marker=True)
        browser.says(turn, encoder.encode(b"\x10\x27\xf0\xd8" * 160))
        await browser.passes(0.02)
    assert browser.intake.verdict is Verdict.NO_VIDEO
    assert browser.plane.dropped["too much"] > 12_000
    assert browser.plane.stats.packets <= 1_500 + 150
    assert len(browser.heard) >= 2.8 * 32_000


@virtually
async def test_nothing_is_asked_of_a_camera_that_is_paused() -> None:
    """No repetition and no key frame until it is looked at again; then one at once."""
    browser = Browser()
    video = browser.plane._video
    assert video is not None
    browser.says(1, KEY_FRAME, VP8, CAMERA, marker=True)
    await browser.passes(2.0)
    asked = browser.plane.stats.plis_sent, browser.plane.stats.nacks_sent
    video.allow(None)
    browser.says(5, b"\x10\x01delta", VP8, CAMERA, marker=True)
    await browser.passes(5.0)
    assert (browser.plane.stats.plis_sent, browser.plane.stats.nacks_sent) == asked
    offered = [one for one in browser.rtcp if isinstance(one, RtcpPsfbPacket) and one.fmt == rtcp.APPLICATION]
    assert unpack_remb_fci(offered[-1].fci)[0] == pytest.approx(LEAST_BPS, rel=0.01)
    video.allow(3.0)
    await browser.passes(0.04)
    assert browser.plane.stats.plis_sent == asked[0] + 1


@virtually
async def test_reports_of_the_voice_tell_its_time() -> None:
    """Sender reports count what was sent; the last word is BYE."""
    browser = Browser()
    browser.plane.send_voice(b"voice", 0, True)
    await browser.passes(2.0)
    (last,) = [one for one in browser.rtcp if isinstance(one, RtcpSrPacket)][-1:]
    assert (last.ssrc, last.sender_info.packet_count, last.sender_info.octet_count) == (VOICE, 1, 5)
    browser.plane.goodbye()
    assert isinstance(browser.rtcp[-1], RtcpByePacket)


@virtually
async def test_what_is_not_authentic_is_dropped() -> None:
    """Before the handshake, of another key, of no kind, repeated."""
    browser = Browser()
    sessions, browser.srtp = browser.srtp, None
    browser.says(1, b"\x48")
    browser.srtp = sessions
    foreign = Session(policy=Policy(key=bytes(30), ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    browser.plane.received(foreign.protect(rtp.build(OPUS, 2, 0, MIC, b"\x48")))
    browser.plane.received(foreign.protect_rtcp(rtcp.receiver_report(1, [])))
    browser.plane.received(b"\x10" + bytes(40))
    browser.says(3, b"\x48", kind=0)
    assert browser.plane.dropped == {"early": 1, "srtp": 2, "kind": 1, "payload type": 1}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.binary(max_size=64), st.booleans()), max_size=60))
def test_whatever_an_authentic_browser_sends_nothing_raises(hostile: list[tuple[bytes, bool]]) -> None:
    """Any plain bytes under good SRTP, as RTP or RTCP."""

    async def call() -> None:
        browser = Browser()
        for data, is_rtcp in hostile:
            try:
                if is_rtcp:
                    sealed = browser._out.protect_rtcp(b"\x80\xc9" + data)
                else:
                    sealed = browser._out.protect(b"\x90" + data)
            except (pylibsrtp.Error, ValueError):
                continue  # libsrtp does not seal it
            browser.plane.received(sealed)
            await browser.passes(0.02)

    run_virtual(call())


@virtually
async def test_media_from_elsewhere_is_missed_only_when_none_comes_from_here() -> None:
    """Also then, only that of a known source."""
    browser = Browser()
    stray = rtp.build(OPUS, 7, 7 * 960, MIC, b"\x78")
    assert not browser.plane.misses(stray), "nobody has been heard yet"
    browser.says(1, b"\x78")
    assert not browser.plane.misses(stray)
    await browser.passes(0.2)
    assert browser.plane.misses(stray)
    assert not browser.plane.misses(rtp.build(OPUS, 7, 7 * 960, CAMERA, b"\x78"))
    assert not browser.plane.misses(stray[:11])
    assert not browser.plane.misses(rtcp.receiver_report(MIC, []))
    browser.says(2, b"\x78")
    assert not browser.plane.misses(stray)


@virtually
async def test_a_browser_that_is_not_heard_any_more_is_told_and_can_hear_us() -> None:
    """By empty reports between the others, ten a second."""
    browser = Browser()
    browser.says(1, b"\x48")
    await browser.passes(0.5)
    browser.rtcp.clear()
    await browser.passes(1.0)
    assert [round(silent_s, 1) for silent_s in browser.unheard] == [0.6]
    assert len(browser.rtcp) >= 9


@virtually
async def test_a_browser_whose_media_had_ended_is_waited_for() -> None:
    """It reports, and sends no sound: what is not heard of it then says nothing."""
    browser = Browser()
    browser.says(1, b"\x48")
    for _ in range(3):
        await browser.passes(0.5)
        browser.reports(rtcp.receiver_report(MIC, []))
    await browser.passes(2.0)
    assert browser.unheard == []
