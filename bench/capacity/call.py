"""One call of the replayer: a real connection (ICE, DTLS, SRTP) over which recorded payloads go.

Owns the offer, the exchange with the server, and the packets of one caller. aiortc makes the descriptions and the
handshake; what is sent comes from `recording`. It must not know when it is time to send.
**Invariant: it sends what the answer allows, as a browser would: RED where that was agreed, a report now and then, a
key frame when one is asked for.**
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import struct
from collections.abc import Sequence
from typing import Literal

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtp import RtcpPsfbPacket

from bench.capacity.process import now_s
from bench.capacity.recording import PACKET_MS, RTP_HZ, VIDEO_HZ, PictureFormat, SoundPacket
from gateway.media import rtcp, rtp
from gateway.media.aiortc_internals import IceLeg, ssrc_of, take_over_media
from gateway.media.answer import formats_of
from gateway.media.codecs import prefer
from gateway.media.datagrams import Address
from gateway.media.opus import packet_ms
from gateway.media.udp import UdpPort

RED = 63  # as Chromium numbers it
TICK_RTP = RTP_HZ // 50
LEVEL_EXTENSION = struct.Struct("!HHBBBB")
SILENCE_MOST_BYTES = 40  # a packet of the voice that says "silence": header, a byte, the tag of SRTP
REPORT_S = {"audio": 5.0, "video": 1.0}  # as libwebrtc
CONNECT_TIMEOUT_S = 15.0  # as the gateway

# How an offer is brought: as SDP to the gateway's door, or as JSON, as Pipecat wants it.
Door = Literal["sdp", "json"]


class Call:
    """One caller: `open`, then `tick` every 20 ms."""

    def __init__(
        self,
        sound: Sequence[SoundPacket],
        camera: PictureFormat | None,
        picture: Sequence[Sequence[bytes]],
        phase_s: float,
    ) -> None:
        self.received = 0  # packets of the voice
        self.key_frames = 0  # that were asked for
        self.begins: list[float] = []  # when the voice began after a silence
        self.marks: list[float] = []  # when a packet with a mark was sent
        self.heard: list[float] = []  # when each packet with sound in it came
        self._sound, self._camera, self._picture = sound, camera, picture
        self._packet_ticks = round(packet_ms(sound[0].payload)) // PACKET_MS
        self._udp = UdpPort()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._leg: IceLeg | None = None
        self._tick = self._sent_frames = self._frame = 0
        self._phase = round(phase_s * 1000) // PACKET_MS
        self._audio_sequence, self._video_sequence = random.randrange(1 << 15), random.randrange(1 << 15)
        self._audio_time, self._video_time = secrets.randbits(31), secrets.randbits(31)
        self._packets, self._octets = [0, 0], [0, 0]
        self._before = b""
        self._ssrcs = [0, 0]
        self._level_extension: int | None = None
        self._opus: int | None = None
        self._red: int | None = None
        self._video: int | None = None
        self._report_s = now_s() + random.random()
        self._was_silent = True
        self._reception: rtcp.Reception | None = None  # of the voice
        self._events: asyncio.Task[None] | None = None

    async def open(self, client: aiohttp.ClientSession, url: str, door: Door, token: str) -> None:
        """Connect; returns when media may flow."""
        await self._udp.open(0)
        pc = self._pc
        prefer(pc.addTransceiver("audio", direction="sendrecv"), "audio", ("audio/opus",))
        if self._camera is not None:
            mime_types = f"video/{self._camera.codec.upper()}", "video/rtx"
            prefer(pc.addTransceiver("video", direction="sendonly"), "video", mime_types)
        self._leg = IceLeg(pc, self._udp.join, self._valid, self._datagram, lambda _: False)
        take_over_media(pc)
        await pc.setLocalDescription(await pc.createOffer())
        answer = await self._exchange(client, url, door, token, with_red(pc.localDescription.sdp))
        self._agree(answer)
        await pc.setRemoteDescription(RTCSessionDescription(without_red(answer), "answer"))
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                while self._leg.srtp is None:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise NotTaken(f"not connected within {CONNECT_TIMEOUT_S:g} s") from None

    def _agree(self, answer: str) -> None:
        formats = formats_of(answer)
        self._opus, self._red, self._level_extension = formats.opus, formats.red, formats.level_extension
        codec = self._camera.codec if self._camera is not None else None
        self._video = next((number for number, name in formats.video.items() if name == codec), None)
        self._ssrcs = [ssrc_of(self._pc, index) for index in range(len(self._pc.getTransceivers()))]

    async def _exchange(self, client: aiohttp.ClientSession, url: str, door: Door, token: str, offer: str) -> str:
        if door == "json":
            body = {"sdp": offer, "type": "offer", "webrtc_id": secrets.token_hex(8)}
            async with client.post(url, json=body) as response:
                return str((await response.json())["sdp"])
        headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
        async with client.post(url, data=offer, headers=headers) as response:
            answer = await response.text()
            if response.status != 201:
                raise NotTaken(f"{response.status} {answer}")
            location = response.headers.get("Location")
        if location is not None:
            events = f"{url.partition('/v1/')[0]}{location}/events"
            self._events = asyncio.create_task(self._follow(client, events, token))
        return answer

    async def _follow(self, client: aiohttp.ClientSession, url: str, token: str) -> None:
        """Read what is told, as a page does."""
        async with client.ws_connect(url, protocols=("gateway.v1", f"token.{token}")) as socket:
            async for _ in socket:
                pass

    async def close(self) -> None:
        """Hang up."""
        if self._events is not None:
            self._events.cancel()
            await asyncio.gather(self._events, return_exceptions=True)
        await self._pc.close()
        if self._leg is not None:
            self._leg.close()
        self._udp.close()

    def _valid(self, address: Address) -> None:
        assert self._leg is not None
        self._udp.valid(self._leg.ufrag, address)

    # Out

    def tick(self) -> None:
        """The next 20 ms."""
        leg = self._leg
        if leg is None or (sessions := leg.srtp) is None or self._opus is None:
            return
        protect = sessions[1].protect
        if self._tick % self._packet_ticks == 0:
            leg.send(protect(self._audio_packet()))
        if self._camera is not None and self._tick * self._camera.fps // 50 > self._sent_frames:
            for packet in self._frame_packets():
                leg.send(protect(packet))
        self._tick += 1
        if now_s() >= self._report_s:
            self._report()

    def _audio_packet(self) -> bytes:
        packet = self._sound[(self._phase + self._tick) // self._packet_ticks % len(self._sound)]
        if packet.is_mark:
            self.marks.append(now_s())
        payload, payload_type = packet.payload, self._opus or 0
        if self._red is not None:
            before = [(self._before, self._packet_ticks * TICK_RTP)] if self._before else []
            payload, payload_type, self._before = rtp.wrap_red(payload_type, payload, *before), self._red, payload
        head = rtp.HEADER.pack(
            0x90 if self._level_extension is not None else 0x80,
            payload_type,
            self._audio_sequence,
            (self._audio_time + self._tick * TICK_RTP) % rtp.TIMES,
            self._ssrcs[0],
        )
        if self._level_extension is not None:
            one = self._level_extension << 4
            head += LEVEL_EXTENSION.pack(rtp.ONE_BYTE_EXTENSIONS, 1, one, min(127, packet.level), 0, 0)
        self._audio_sequence = (self._audio_sequence + 1) % rtp.SEQUENCES
        self._packets[0] += 1
        self._octets[0] += len(payload)
        return head + payload

    def _frame_packets(self) -> list[bytes]:
        payloads = self._picture[self._frame % len(self._picture)]
        timestamp = self._video_time + self._tick * VIDEO_HZ // 50
        self._frame += 1
        self._sent_frames += 1
        packets = []
        for payload in payloads:
            marker = payload is payloads[-1]
            packets.append(
                rtp.build(self._video or 0, self._video_sequence, timestamp, self._ssrcs[1], payload, marker=marker)
            )
            self._video_sequence = (self._video_sequence + 1) % rtp.SEQUENCES
            self._packets[1] += 1
            self._octets[1] += len(payload)
        return packets

    def _report(self) -> None:
        assert self._leg is not None
        assert self._leg.srtp is not None
        self._report_s = now_s() + REPORT_S["video" if self._camera else "audio"] * (0.5 + random.random())
        times = self._audio_time + self._tick * TICK_RTP, self._video_time + self._tick * VIDEO_HZ // 50
        for index, ssrc in enumerate(self._ssrcs):
            counts = self._packets[index], self._octets[index]
            heard = self._reception.info(now_s()) if index == 0 and self._reception is not None else None
            blocks = [heard] if heard is not None else []
            report = rtcp.sender_report(ssrc, rtcp.ntp(now_s()), times[index], *counts, f"{ssrc:08x}", blocks)
            self._leg.send(self._leg.srtp[1].protect_rtcp(report))

    # In

    def _datagram(self, data: bytes) -> None:
        if 64 <= data[1] & 0x7F < 96:
            self._feedback(data)
            return
        self.received += 1
        arrived_s = now_s()
        _, _, sequence, timestamp, ssrc = rtp.HEADER.unpack_from(data)
        if self._reception is None:
            self._reception = rtcp.Reception(ssrc, RTP_HZ)
        self._reception.add(sequence, timestamp, arrived_s)
        if len(data) <= SILENCE_MOST_BYTES:
            self._was_silent = True
            return
        if self._was_silent:
            self._was_silent = False
            self.begins.append(arrived_s)
        self.heard.append(arrived_s)

    def _feedback(self, data: bytes) -> None:
        assert self._leg is not None
        if self._leg.srtp is None or self._camera is None:
            return
        for packet in rtcp.parse(self._leg.srtp[0].unprotect_rtcp(data)):
            if isinstance(packet, RtcpPsfbPacket) and packet.fmt == rtcp.PLI:
                self.key_frames += 1
                self._frame += -self._frame % (self._camera.key_every_s * self._camera.fps)  # where one is


class NotTaken(Exception):
    """The server takes no more calls: it says so, or does not get to it."""


def with_red(offer: str) -> str:
    """The offer with RED before Opus, as Chromium's has it; aiortc does not know it."""
    opus = re.search(r"(?m)^a=rtpmap:(\d+) opus/48000/2", offer)
    assert opus is not None
    offer = re.sub(rf"(?m)^(m=audio \d+ \S+ )({opus[1]}\b)", rf"\g<1>\2 {RED}", offer, count=1)
    lines = f"a=rtpmap:{RED} red/48000/2\r\na=fmtp:{RED} {opus[1]}/{opus[1]}\r\n"
    return offer.replace(opus[0].rstrip("\r"), lines + opus[0].rstrip("\r"), 1)


def without_red(answer: str) -> str:
    """The answer as aiortc takes it."""
    answer = re.sub(rf"(?m)^a=(rtpmap|fmtp|rtcp-fb):{RED} .*\r?\n", "", answer)
    return re.sub(rf"(?m)^(m=audio \d+ \S+.*?) {RED}\b", r"\1", answer)
