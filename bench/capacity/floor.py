"""What the same media costs at the least: the codecs, SRTP and the system's calls alone, without a gateway around them.

Owns these measurements. It must not know servers or calls.
**Invariant: each part is measured in this process's processor time, on this machine.** One look is of one moment: take
one before what it is compared with and one after it, for a shared machine is faster in one minute than in the next.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import fmean
from typing import Any

import av
import pylibsrtp
from av.video.reformatter import Interpolation, VideoReformatter

from bench.capacity.model import ANSWER_S
from bench.capacity.recording import LOOP_S, PictureFormat, coded_frames, picture, speech
from bench.capacity.scenario import Scenario
from gateway.media.jpeg import QUANTIZERS, fit
from gateway.media.opus import OpusDecoder, OpusEncoder
from gateway.media.protection import BITRATE_BPS
from gateway.settings import Settings

JPEG = "JPEG"
LEAST_S = 0.5  # of processor time, for each part
PACKETS_PER_S = 50.0
MESSAGES_PER_S = 25.0
SPEAKS = ANSWER_S / LOOP_S
PCM_BYTES = 1280
SRTP_PACKETS = 30_000  # below 2^15, as sequence numbers have to begin


def floor(looks: Sequence[dict[str, float]], frames_per_s: float) -> dict[str, float]:
    """Percent of a processor that each part takes for one call, the mean of several looks; `frames_per_s` is how many
    pictures become JPEG."""
    times = {JPEG: frames_per_s}
    return {name: fmean(look[name] for look in looks) * times.get(name, 1.0) for name in looks[0]}


def look(scenario: Scenario) -> dict[str, float]:
    """Percent of a processor that each part takes now for one call, JPEG with one picture a second."""
    camera = scenario.picture
    packets = PACKETS_PER_S + (sum(map(len, picture(camera))) / LOOP_S if camera else 0.0)
    voice = PACKETS_PER_S * SPEAKS
    unprotect_s, protect_s = _srtp()
    parts = {
        "Opus": _decode_sound() * PACKETS_PER_S + _encode_voice() * voice,
        "SRTP": unprotect_s * packets + protect_s * voice,
        "UDP": _udp() * (packets + voice),
        "WebSocket": _tcp() * MESSAGES_PER_S,
    }
    if camera is not None:
        parts["decoder"] = _decode_picture(camera)
        parts[JPEG] = _jpeg(camera)
    return {name: share * 100 for name, share in parts.items()}


def cost_s(work: Callable[[], object]) -> float:
    """Processor seconds of one execution, the mean over at least `LEAST_S`."""
    work()
    count, begun_s = 0, time.process_time()
    while (used_s := time.process_time() - begun_s) < LEAST_S:
        work()
        count += 1
    return used_s / count


def _decode_sound() -> float:
    decoder, packets = OpusDecoder(16_000), speech()
    return cost_s(lambda: [decoder.decode(packet.payload) for packet in packets]) / len(packets)


def _encode_voice() -> float:
    decoder, encoder = OpusDecoder(24_000), OpusEncoder(24_000)
    encoder.tune(bitrate_bps=BITRATE_BPS, loss_percent=0)  # as the gateway does where nothing is lost, as here
    pieces = [decoder.decode(packet.payload) for packet in speech()[: int(ANSWER_S * PACKETS_PER_S)]]
    return cost_s(lambda: [encoder.encode(piece) for piece in pieces]) / len(pieces)


def _srtp() -> tuple[float, float]:
    """(to unprotect, to protect) a packet of sound; each only once, because what was seen is refused."""
    key = secrets.token_bytes(30)
    kinds = pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND
    out, into = (pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=kind)) for kind in kinds)
    packets = [b"\x80\x60" + sequence.to_bytes(2, "big") + bytes(80) for sequence in range(SRTP_PACKETS)]
    begun_s = time.process_time()
    protected = [out.protect(packet) for packet in packets]
    between_s = time.process_time()
    for packet in protected:
        into.unprotect(packet)
    return (time.process_time() - between_s) / SRTP_PACKETS, (between_s - begun_s) / SRTP_PACKETS


def _udp() -> float:
    """Sending a datagram or receiving one: half of both together."""
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        address, datagram = other.getsockname(), bytes(120)

        def work() -> None:
            one.sendto(datagram, address)
            other.recvfrom(2048)

        return cost_s(work) / 2


def _tcp() -> float:
    """A message of 40 ms to the model: base64, JSON, a masked frame, a write."""
    near, far = socket.socketpair()
    with near, far:
        pcm, mask = secrets.token_bytes(PCM_BYTES), secrets.token_bytes(4)

        def work() -> None:
            blob = {"mimeType": "audio/pcm;rate=16000", "data": base64.b64encode(pcm).decode()}
            data = json.dumps({"realtimeInput": {"audio": blob}}).encode()
            longer = (mask * (len(data) // 4 + 1))[: len(data)]
            near.send((int.from_bytes(data, "big") ^ int.from_bytes(longer, "big")).to_bytes(len(data), "big"))
            far.recv(4096)

        return cost_s(work)


def _decode_picture(wanted: PictureFormat) -> float:
    """Processor seconds a second of the camera."""
    frames = list(coded_frames(wanted))

    def work() -> None:
        context: Any = av.CodecContext.create(wanted.codec, "r")
        context.thread_count = 1
        for frame in frames:
            context.decode(av.Packet(frame))

    return cost_s(work) / LOOP_S


def _jpeg(wanted: PictureFormat) -> float:
    context: Any = av.CodecContext.create(wanted.codec, "r")
    context.thread_count = 1
    pictures = [one for frame in list(coded_frames(wanted))[:10] for one in context.decode(av.Packet(frame))]
    width, height = fit(wanted.width, wanted.height, Settings.model_fields["video_size_px"].default)
    reformatter, encoder = VideoReformatter(), _encoder(width, height)

    def work() -> None:
        for one in pictures:
            scaled = reformatter.reformat(
                one, width, height, format="yuvj420p", interpolation=Interpolation.AREA, threads=1
            )
            scaled.pts = None
            encoder.encode(scaled)

    return cost_s(work) / len(pictures)


def _encoder(width: int, height: int) -> Any:
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.thread_count = width, height, "yuvj420p", 1
    encoder.time_base = Fraction(1, 30)
    encoder.qmin = encoder.qmax = QUANTIZERS[0]
    encoder.options = {"huffman": "default"}
    return encoder
