"""The SDP that comes in, made fit for the ICE agent, and the SDP that goes out, made fit for bad networks.

Owns text edits of session descriptions. It must not know peer connections; offers were validated before.
**Invariant: a description without the lines that are edited comes back as it was; line ends are CRLF (RFC 8866 §5).**
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# 40 kbit/s mono carry wideband speech, and in them the coarse copy of the frame before (LBRR) that loss calls for.
OPUS_PARAMETERS = "minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate=40000"
# What 512 px at 3 fps needs twice over; a sender that does not follow our page's limits is held to this.
VIDEO_AS_KBPS = 600


AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"  # RFC 6464
RED_DISTANCE = 1


@dataclass(frozen=True, slots=True)
class Formats:
    """What the payload types of a connection mean."""

    opus: int
    red: int | None = None
    level_extension: int | None = None
    video: Mapping[int, Literal["vp8", "h264"]] = field(default_factory=dict)
    rtx: Mapping[int, int] = field(default_factory=dict)  # payload type to the one that it repeats


def usable_candidate(candidate: str) -> bool:
    """False for candidates the ICE agent could only waste time on: TCP, and `.local` names (RFC 8839 §5.1).

    A browser behind an mDNS name is reached all the same, as a peer-reflexive candidate.
    """
    parts = candidate.split()
    return len(parts) >= 8 and parts[2].lower() == "udp" and not parts[4].lower().endswith(".local")


def clean_offer(offer_sdp: str) -> str:
    """The offer without candidates that are of no use, open for more, with a port for each section only bundled.

    A `bundle-only` section has the port 0 (RFC 8843 §6), which aiortc takes for a rejected one.
    """
    session, *sections = _split(offer_sdp)
    opened = [
        re.sub(r"^m=(\S+) 0 ", r"m=\1 9 ", section) if "\na=bundle-only" in section else section for section in sections
    ]
    return _join(
        line
        for line in (session + "".join(opened)).splitlines()
        if line != "a=end-of-candidates"  # see `Peer.add_candidates`
        and (not line.startswith("a=candidate:") or usable_candidate(line.removeprefix("a=")))
    )


def formats_of(answer_sdp: str) -> Formats:
    """What the answer has agreed on; raises ValueError when there is no Opus in it."""
    types: dict[int, str] = {}
    rtx: dict[int, int] = {}
    level: int | None = None
    for section in _split(answer_sdp)[1:]:
        for payload_type, name in re.findall(r"(?m)^a=rtpmap:(\d+) ([^/\s]+)/", section):
            types[int(payload_type)] = name.lower()
        for payload_type, original in re.findall(r"(?m)^a=fmtp:(\d+) apt=(\d+)", section):
            rtx[int(payload_type)] = int(original)
        if section.startswith("m=audio ") and (found := re.search(rf"(?m)^a=extmap:(\d+)\S* {AUDIO_LEVEL}", section)):
            level = int(found[1])
    by_name = {name: payload_type for payload_type, name in reversed(types.items())}
    if "opus" not in by_name:
        raise ValueError("there is no Opus in the answer")
    video: dict[int, Literal["vp8", "h264"]] = {}
    for payload_type, name in types.items():
        if name == "vp8":
            video[payload_type] = "vp8"
        elif name == "h264":
            video[payload_type] = "h264"
    rtx = {payload_type: original for payload_type, original in rtx.items() if types.get(payload_type) == "rtx"}
    return Formats(by_name["opus"], by_name.get("red"), level, video, rtx)


def redundancy(offer_sdp: str) -> tuple[int, int] | None:
    """(payload type of RED, of the Opus in it) where the offer has it (RFC 2198)."""
    for section in _split(offer_sdp)[1:]:
        red = re.search(r"(?mi)^a=rtpmap:(\d+) red/48000/2$", section)
        opus = re.search(r"(?mi)^a=rtpmap:(\d+) opus/48000/2$", section)
        if section.startswith("m=audio ") and red and opus:
            return int(red[1]), int(opus[1])
    return None


def with_redundancy(answer_sdp: str, red: int, opus: int) -> str:
    """The answer with RED as the preferred audio format: each packet then carries the one before it too."""
    answer_sdp = answer_sdp.replace("\r\n", "\n")
    answer_sdp = re.sub(rf"(?m)^(m=audio \d+ \S+) (.*\b{opus}\b.*)$", rf"\1 {red} \2", answer_sdp, count=1)
    lines = f"a=rtpmap:{red} red/48000/2\na=fmtp:{red} {'/'.join([str(opus)] * (RED_DISTANCE + 1))}\n"
    answer_sdp = re.sub(rf"(?m)^(a=rtpmap:{opus} )", lines + r"\1", answer_sdp, count=1)
    return _join(answer_sdp.splitlines())


def transform_answer(answer_sdp: str) -> str:
    """The answer with what aiortc does not say itself.

    Opus: parameters, and `nack`, because browsers then ask for lost packets of the voice again, and send those of the
    microphone again when they are asked.
    Video: a bandwidth limit (`b=AS`, RFC 8866 §5.8).
    """
    session, *sections = _split(answer_sdp)
    return _join((session + "".join(map(_section, sections))).splitlines())


def _split(sdp: str) -> list[str]:
    """The session part and each media section, with LF line ends."""
    return re.split(r"(?m)^(?=m=)", sdp.replace("\r\n", "\n"))


def _section(section: str) -> str:
    if section.startswith("m=audio "):
        return _audio_section(section)
    if section.startswith("m=video ") and "\nb=AS:" not in section:
        return re.sub(r"(?m)^(c=.*)$", rf"\1\nb=AS:{VIDEO_AS_KBPS}", section, count=1)
    return section


def _audio_section(section: str) -> str:
    opus = re.search(r"(?mi)^a=rtpmap:(\d+) opus/48000/2$", section)
    if opus is None:
        return section
    payload_type = opus[1]
    lines = [
        line
        for line in section.splitlines()
        if not line.startswith((f"a=fmtp:{payload_type} ", f"a=rtcp-fb:{payload_type} nack"))
    ]
    at = lines.index(opus[0]) + 1
    lines[at:at] = [f"a=rtcp-fb:{payload_type} nack", f"a=fmtp:{payload_type} {OPUS_PARAMETERS}"]
    return "\n".join(lines) + "\n"


def _join(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
