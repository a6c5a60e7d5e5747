"""What is fuzzed: every place where bytes of others are first read.

A target takes any bytes. It may raise nothing: the errors that its module promises are caught here, everything else is
a finding. What a module promises to bound is asserted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import NonCallableMock

import av
from aioice.ice import Connection
from aiortc.sdp import SessionDescription, candidate_from_sdp

from gateway.commands import Commands
from gateway.doors.sdp import check_offer
from gateway.doors.sdpfrag import parse_fragment
from gateway.errors import ClientError, ConfigError
from gateway.guard.addresses import client_of, forwarded, forwarded_for, networks
from gateway.guard.intake import Intake
from gateway.live import messages
from gateway.live.conversation import Conversation
from gateway.live.link import LinkEnded
from gateway.live.messages import SetupOptions
from gateway.live.upstream import Upstream
from gateway.media import frames, rtcp, rtp
from gateway.media.answer import Formats, clean_offer, redundancy, usable_candidate
from gateway.media.audio_uplink import AudioUplink
from gateway.media.datagrams import UdpSocket
from gateway.media.dimensions import h264_size, vp8_size
from gateway.media.jpeg import JpegWorker
from gateway.media.peer import Peer
from gateway.media.pictures import Pictures, TooLarge
from gateway.media.plane import Plane
from gateway.media.playout import Playout
from gateway.media.stream import StreamPeer
from gateway.media.stream_camera import decode
from gateway.media.stream_wire import PICTURE_MAX_BYTES, Outgoing
from gateway.media.udp import ADDRESSES_MAX, UdpPort
from gateway.media.video_uplink import CODED_MAX, VideoUplink
from gateway.media.voice import Voice
from gateway.media.worker import MediaWorker
from gateway.settings import Settings, env_names
from gateway.settings_check import check_start
from gateway.settings_sources import load_settings
from tests.clock import VirtualLoop
from tests.pure import pure

CORPUS = Path(__file__).parents[1] / "corpus"
OPUS, RED, VP8, RTX, H264 = 111, 63, 96, 97, 102
IN_PYTHON = pure("gateway.media.rtp")  # what is in C must come to the same
FORMATS = Formats(OPUS, RED, 1, {VP8: "vp8", H264: "h264"}, {RTX: VP8})


@dataclass(frozen=True)
class Target:
    """One place."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[str, ...]  # directories of the corpus
    share: int  # of the inputs of a long run; what is fast gets more
    max_bytes: int = 4096

    def corpus(self) -> list[bytes]:
        """The seeds, and what was once found."""
        directories = [CORPUS / name for name in (*self.seeds, f"fuzz/{self.name}")]
        paths = sorted(path for directory in directories if directory.is_dir() for path in directory.iterdir())
        found = [part for path in paths for part in _parts(path)]
        assert found, f"{self.name} has no corpus"
        return found


def _parts(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]


@cache
def loop() -> VirtualLoop:
    """One for all: time passes when a target says so."""
    return VirtualLoop()


def records(data: bytes) -> Iterator[bytes]:
    """An input that is several datagrams: each after its length."""
    at = 0
    while at + 2 <= len(data):
        (size,) = struct.unpack_from("!H", data, at)
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def _offer(data: bytes) -> None:
    try:
        text = check_offer(data)
    except ClientError:
        return
    cleaned = clean_offer(text)
    redundancy(cleaned)
    for line in cleaned.splitlines():
        if line.startswith("a=candidate:"):
            assert usable_candidate(line.removeprefix("a="))
    with contextlib.suppress(Exception):  # `Peer.answer` takes whatever this raises for a BadOffer
        SessionDescription.parse(cleaned)


@cache
def _worker() -> MediaWorker:
    worker = MediaWorker()
    loop().run_until_complete(worker.open(0, ["127.0.0.1"]))
    return worker


class _Nobody:
    """Whoever is told something."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def _negotiation(data: bytes) -> None:
    """What passes the check, all the way to an answer."""
    try:
        text = check_offer(data)
    except ClientError:
        return

    async def answer() -> None:
        peer = Peer(Settings(), Voice(Playout(), lambda _: None), cast(Any, _Nobody()), worker, itertools.count(1))
        try:
            await peer.answer(text)
        except ClientError:
            pass
        finally:
            await peer.close()
        await asyncio.sleep(1)  # virtual
        assert not worker.udp._by_ufrag
        assert len(asyncio.all_tasks()) == 1

    worker = _worker()
    loop().run_until_complete(answer())


def _fragment(data: bytes) -> None:
    try:
        fragment = parse_fragment(data)
    except ClientError:
        return
    for trickled in fragment.candidates:
        if usable_candidate(trickled.candidate):
            candidate_from_sdp(trickled.candidate.removeprefix("candidate:"))


def _rtp(data: bytes) -> None:
    video: list[rtp.Packet] = []
    for datagram in records(data):
        for level_extension in (None, 1):
            packet = rtp.parse(datagram, level_extension)
            in_python = IN_PYTHON.parse(datagram, level_extension)
            assert repr(packet) == repr(in_python)
        if packet is None:
            continue
        blocks = rtp.unwrap_red(packet)
        assert repr(blocks) == repr(IN_PYTHON.unwrap_red(in_python))
        assert sum(len(block.payload) for block in blocks) <= len(datagram)
        rtp.unwrap_rtx(packet, VP8, 1)
        video.append(packet)
    for codec in ("vp8", "h264"):
        camera = frames.Frames()
        for index, packet in enumerate(video):
            camera.push(packet, codec, index * 0.03)  # type: ignore[arg-type]
            camera.look(index * 0.03, 0.1)
            camera.requests(index * 0.03, 0.1)
            assert len(camera._waiting) <= frames.WAITING_MAX
            assert len(camera._missing) <= frames.MISSING_MAX + 1


def _rtcp(data: bytes) -> None:
    for datagram in records(data):
        rtcp.parse(datagram)


class _Open:
    """SRTP without a key."""

    def unprotect(self, data: bytes) -> bytes:
        return data

    unprotect_rtcp = protect = protect_rtcp = unprotect


class _Way:
    """To nowhere."""

    srtp = (_Open(), _Open())
    rtt_s = 0.05

    def send(self, datagram: bytes) -> bool:
        return True


@cache
def _jpeg() -> JpegWorker:
    return JpegWorker()


def _plane(data: bytes) -> None:
    """Datagrams as if they were authentic, a beat between them now and then."""

    async def call() -> None:
        def ignore(*_: object) -> None: ...

        video = VideoUplink(Pictures(Settings(), _jpeg(), ignore, ignore, ignore, itertools.count(1)))
        audio = AudioUplink(ignore, ignore, ignore)
        intake = Intake(8_000, 1_500)
        plane = Plane(_Way(), FORMATS, 9, audio, video, intake, ignore, ignore)
        for index, datagram in enumerate(records(data)):
            plane.received(datagram)
            if index % 3 == 0:
                loop()._virtual.now_s += 0.02
                plane.tick(loop().time())
                intake.look(loop().time())
            if index % 50 == 7:
                plane.send_voice(b"voice", index * 960, False)
        assert len(video._coded) <= CODED_MAX

    loop().run_until_complete(call())


class _Wire:
    """A socket into which anything may be put."""

    def __init__(self) -> None:
        self.outgoing = Outgoing()

    def send(self, message: bytes) -> None:
        self.outgoing.put(message)

    def close(self) -> None: ...


def _stream(data: bytes) -> None:
    """Messages over a WebSocket; a socket is replaced by another now and then."""

    async def call() -> None:
        voice = Voice(Playout(), lambda _: None)
        peer = StreamPeer(Settings(), voice, cast(Any, _Nobody()), worker, itertools.count(1))
        wire = _Wire()
        peer.connect(wire, None)
        for index, message in enumerate(records(data)):
            loop()._virtual.now_s += 0.02
            with contextlib.suppress(ValueError):
                peer.take(message, loop().time())
            voice.beat(loop().time(), 0)
            if index % 9 == 5:
                wire = _Wire()
                peer.connect(wire, index)
        assert len(wire.outgoing.take()) <= 10
        assert len(peer._parts._parts) <= PICTURE_MAX_BYTES
        await peer.close()

    worker = _worker()
    loop().run_until_complete(call())


def _jpeg_picture(data: bytes) -> None:
    """A picture of a stream's camera."""
    with contextlib.suppress(TooLarge, ValueError, av.FFmpegError):
        picture, _ = decode(data, 640)
        assert max(picture.width, picture.height) <= 640


def _udp(data: bytes) -> None:
    """Datagrams of anyone at the port, some of an address that is known."""

    async def arrive() -> None:
        port = UdpPort()
        at = NonCallableMock(UdpSocket, address=("192.0.2.2", 5000))
        port._sockets.append(at)
        connection = Connection(ice_controlling=False, local_username="here", local_password="p" * 22)
        connection.remote_username, connection.remote_password = "them", "q" * 22
        connection.data_received = lambda data, component: None  # type: ignore[method-assign]
        port.join(connection, lambda data: None, lambda data, *_: rtp.is_of(data, 1))
        for index, datagram in enumerate(records(data)):
            address = ("192.0.2.1", 4000 + index % 2)
            if index % 2:
                port.valid("here", address)
            port.received(datagram, address, at)
        assert len(port._by_address) <= ADDRESSES_MAX
        for pair in connection._check_list:
            if pair.task is not None:
                pair.task.cancel()
        await asyncio.sleep(0)

    loop().run_until_complete(arrive())


def _gemini(data: bytes) -> None:
    """One server message, and what a conversation makes of it."""
    try:
        events = messages.parse(data)
    except ValueError:
        return

    async def take() -> None:
        conversation = Conversation(Upstream("ws://nowhere", "models/x", 1.0), SetupOptions(""), lambda _: None)
        with contextlib.suppress(LinkEnded):
            for event in events:
                conversation._take(event)

    loop().run_until_complete(take())


def _commands(data: bytes) -> None:
    """A message of a client, as text and as bytes; the answers are ones that can be sent."""
    session = SimpleNamespace(
        is_ready=True,
        transcript={"turns": [], "dropped_turns": 0},
        send_text=lambda text: None,
        tool_result=lambda call_id, result: False,
        end=lambda reason: None,
    )
    commands = Commands(session, "data_channel", 65_536, 1_000.0)
    for message in (data, data.decode(errors="replace")):
        for reply in commands.take(message, 0.0):
            assert len(json.dumps(reply)) < 4096 + 6 * len(message)


@cache
def _variables() -> list[str]:
    return [name for field in Settings.model_fields for name in env_names(field)]


@cache
def _config() -> Path:
    return Path(tempfile.mkdtemp()) / "gateway.toml"


def _settings(data: bytes) -> None:
    """An environment, `index=value` a line, and a file after an empty line."""
    head, _, toml = data.partition(b"\n\n")
    env = {}
    for line in head.decode(errors="surrogateescape").splitlines():
        index, _, value = line.partition("=")
        if index.isdecimal():
            env[_variables()[int(index) % len(_variables())]] = value
    if toml:
        _config().write_bytes(toml)
        env["GATEWAY_CONFIG"] = os.fspath(_config())
    with contextlib.suppress(ConfigError):
        check_start(load_settings(env))


def _pictures(data: bytes) -> None:
    for read in (vp8_size, h264_size):
        try:
            size = read(data)
        except ValueError:
            continue
        assert size is None or min(size) > 0


TRUSTED = networks(["0.0.0.0/0", "::/0"])


def _addresses(data: bytes) -> None:
    lines = data.decode("latin-1").split("\n")
    for hops_of in (forwarded, forwarded_for):
        client_of(lines[0], hops_of(lines[1:]), TRUSTED)


TARGETS = (
    Target("offer", _offer, ("sdp",), 10, 16_384),
    Target("negotiation", _negotiation, ("sdp",), 1, 16_384),
    Target("fragment", _fragment, ("sdpfrag",), 30, 16_384),
    Target("rtp", _rtp, (), 40),
    Target("rtcp", _rtcp, (), 60),
    Target("plane", _plane, (), 6),
    Target("stream", _stream, (), 20),
    Target("jpeg", _jpeg_picture, (), 10),
    Target("udp", _udp, (), 20),
    Target("gemini", _gemini, ("gemini",), 30),
    Target("commands", _commands, (), 60),
    Target("settings", _settings, (), 2),
    Target("pictures", _pictures, (), 80),
    Target("addresses", _addresses, (), 40),
)
