"""The work of a call without its sockets: from a datagram of the phone to the frame on the model's WebSocket, and back.

Everything between is the gateway's own (plane, microphone, camera's frames, voice, uplink, conversation, link), on a
virtual clock; so the same call is the same work each time, and can be counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from pylibsrtp import Policy, Session
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.capacity.recording import PACKET_MS, SoundPacket
from gateway.guard.intake import Intake
from gateway.latency import Latency
from gateway.line import Line
from gateway.live import events as live
from gateway.live import messages
from gateway.live.conversation import Conversation
from gateway.live.link import Link
from gateway.live.messages import SetupOptions
from gateway.live.upstream import Upstream
from gateway.media import rtp
from gateway.media.answer import Formats
from gateway.media.audio_uplink import AudioUplink
from gateway.media.plane import Plane
from gateway.media.playout import Playout
from gateway.media.srtp import Srtp
from gateway.media.ticker import Ticker
from gateway.media.voice import Voice
from gateway.media.voice_stream import VoiceStream
from gateway.speech import Speech
from gateway.uplink import Uplink

OPUS, RED, LEVEL = 111, 63, 2
TICK_RTP = 960
KEY = bytes(range(30))
PACKET_S = PACKET_MS / 1000


def _srtp(direction: int) -> Srtp:
    policy = Policy(key=KEY, ssrc_type=direction)
    policy.allow_repeat_tx = direction == Policy.SSRC_ANY_OUTBOUND
    return Srtp(Session(policy=policy))


class Socket:
    """websockets' own protocol of a client whose bytes go nowhere; what `Link` uses of a connection."""

    def __init__(self) -> None:
        self.protocol = ClientProtocol(parse_uri("ws://model/"), state=State.OPEN)
        self.transport = SimpleNamespace(get_write_buffer_size=lambda: 0)
        self.sent: list[bytes] = []  # frames
        self._comes: asyncio.Queue[str] = asyncio.Queue()

    def send_data(self) -> None:
        """Take what is to be sent."""
        self.sent += self.protocol.data_to_send()

    async def send(self, message: str) -> None:
        """Send a message."""
        self.protocol.send_text(message.encode())
        self.send_data()

    async def recv(self, *, decode: bool | None = None) -> str:
        """What `say` said."""
        return await self._comes.get()

    def say(self, message: str) -> None:
        """A message of the model."""
        self._comes.put_nowait(message)


class Pipeline:
    """One call; `speak` lets virtual time pass with a packet each 20 ms."""

    def __init__(self, sound: Sequence[SoundPacket]) -> None:
        self.socket = Socket()
        self.sent: list[bytes] = []  # datagrams to the phone
        self.published: list[Any] = []  # events for it
        self.srtp = _srtp(Policy.SSRC_ANY_INBOUND), _srtp(Policy.SSRC_ANY_OUTBOUND)
        self.rtt_s = 0.03
        self._out = _srtp(Policy.SSRC_ANY_OUTBOUND)
        self._sound = sound
        self._packet = 0
        self._ticker = Ticker()
        self._playout = Playout()
        self._voice = Voice(self._playout, lambda speaking: None)
        self._ready = asyncio.Event()
        upstream = Upstream("ws://model", "models/gemini-3.8-live", 20.0)
        self.conversation = Conversation(upstream, SetupOptions(""), self._on_event, connect=self._connect)
        publish = self.published.append
        speech = Speech(self.conversation, Latency(publish), publish)
        allowance, nobody = cast(Any, SimpleNamespace(active=lambda: None)), cast(Any, None)
        legs = self.conversation, speech, Line(), allowance, nobody, nobody
        uplink = Uplink(*legs, publish=publish, on_state=lambda state, reason: None)
        uplink.is_present = lambda: True
        audio = AudioUplink(uplink.peer_audio, uplink.peer_audio_paused, uplink.peer_level)
        stream = VoiceStream(lambda payload, rtp_time, begins: self.plane.send_voice(payload, rtp_time, begins))
        formats = Formats(OPUS, RED, LEVEL, {}, {})
        self._intake = Intake(8_000, 1_500)
        told_of = stream.protect, uplink.peer_unheard
        self.plane = Plane(self, formats, 9, audio, None, self._intake, *told_of)
        self._voice.join(stream, publishes=True)

    def send(self, datagram: bytes) -> bool:
        """What the plane sends."""
        self.sent.append(datagram)
        return True

    @asynccontextmanager
    async def _connect(self, upstream: Upstream, setup: str) -> AsyncIterator[tuple[Link, list[messages.ServerEvent]]]:
        yield Link(cast(Any, self.socket)), []

    def _on_event(self, event: live.ConversationEvent) -> None:
        match event:
            case live.LinkOpened():
                self._ready.set()
            case live.Speech(pcm):
                self._playout.push(pcm)
            case live.GenerationComplete():
                self._playout.end_of_speech()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The call, while the context lasts."""
        task = asyncio.create_task(self.conversation.run())
        await self._ready.wait()
        stops = [self._ticker.start(self._beat), self._ticker.start(self._voice.beat)]
        try:
            yield
        finally:
            for stop in stops:
                stop()
            self.conversation.close()
            await task

    def _beat(self, now_s: float, _: int) -> None:
        self.plane.tick(now_s)
        self._intake.look(now_s)

    async def speak(self, packets: int) -> None:
        """So many packets of the microphone, each in its time."""
        for _ in range(packets):
            self.plane.received(self._out.protect(self._next()))
            await asyncio.sleep(PACKET_S)

    def _next(self) -> bytes:
        sound = self._sound[self._packet % len(self._sound)]
        before = self._sound[(self._packet - 1) % len(self._sound)].payload
        head = rtp.HEADER.pack(0x90, RED, self._packet % rtp.SEQUENCES, self._packet * TICK_RTP % rtp.TIMES, 1)
        head += bytes([0xBE, 0xDE, 0, 1, LEVEL << 4, min(127, sound.level), 0, 0])
        self._packet += 1
        return head + rtp.wrap_red(OPUS, sound.payload, (before, TICK_RTP))
