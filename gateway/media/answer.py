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
# H.264 profiles beside (constrained) baseline that encoders send and our decoder takes: main, extended, high.
MORE_PROFILES = ("4d", "58", "64")
BASELINE = "42e01f"


@dataclass(frozen=True, slots=True)
class Formats:
    """What the payload types of a connection mean."""

    opus: int | None  # None for a camera without a microphone
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


def candidates_of(offer_sdp: str) -> list[str]:
    """The candidates of the first section, as `candidate:…`; everything is bundled on it."""
    _, first, *_ = [*_split(offer_sdp), ""]
    return re.findall(r"(?m)^a=(candidate:.*)$", first)


def video_sources_of(offer_sdp: str) -> list[frozenset[int]]:
    """The SSRCs of each video section of an offer, repetitions among them (RFC 5576)."""
    sections = [section for section in _split(offer_sdp)[1:] if section.startswith("m=video ")]
    return [frozenset(map(int, re.findall(r"(?m)^a=ssrc:(\d+) ", section))) for section in sections]


def with_message_limit(answer_sdp: str, size_bytes: int) -> str:
    """The answer with the largest message that the data channel takes (RFC 8841 §6); browsers refuse to send more."""
    return re.sub(r"(?m)^a=max-message-size:\d+", f"a=max-message-size:{size_bytes}", answer_sdp)


def formats_of(answer_sdp: str) -> Formats:
    """What the answer has agreed on."""
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
    video: dict[int, Literal["vp8", "h264"]] = {}
    for payload_type, name in types.items():
        if name == "vp8":
            video[payload_type] = "vp8"
        elif name == "h264":
            video[payload_type] = "h264"
    rtx = {payload_type: original for payload_type, original in rtx.items() if types.get(payload_type) == "rtx"}
    return Formats(by_name.get("opus"), by_name.get("red"), level, video, rtx)


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


def finished_answer(offer_sdp: str, answer_sdp: str, *, one_way: bool, redundant: bool, packet_ms: int) -> str:
    """What goes out of what aiortc has answered: `one_way` as WHIP and WHEP want it, `redundant` with RED where that
    was offered, with so much sound in each packet."""
    answer_sdp = with_profiles(transform_answer(answer_sdp), more_profiles(offer_sdp))
    answer_sdp = with_packet_time(answer_sdp, packet_ms)
    if one_way:
        answer_sdp = with_exclusive_mux(answer_sdp)
    red = redundancy(offer_sdp) if redundant else None
    return answer_sdp if red is None else with_redundancy(answer_sdp, *red)


def with_baseline(offer_sdp: str) -> str:
    """The offer as aiortc takes it: it knows H.264 by its baseline profile only."""
    return with_profiles(offer_sdp, dict.fromkeys(more_profiles(offer_sdp), BASELINE))


def more_profiles(offer_sdp: str) -> dict[int, str]:
    """The `profile-level-id` of each H.264 format of an offer that has no baseline: that of an IP camera, or of x264.

    aiortc refuses what it cannot encode itself, and nobody here encodes.
    """
    found: dict[int, str] = {}
    for section in _split(offer_sdp)[1:]:
        h264 = re.findall(r"(?mi)^a=rtpmap:(\d+) H264/", section)
        formats = [re.search(rf"(?m)^a=fmtp:{payload_type} (.*)$", section) for payload_type in h264]
        profiles = {
            int(payload_type): profile[1].lower()
            for payload_type, parameters in zip(h264, formats, strict=True)
            if parameters and "packetization-mode=1" in parameters[1]
            if (profile := re.search(r"profile-level-id=([0-9a-fA-F]{6})", parameters[1]))
        }
        if not any(profile.startswith(BASELINE[:2]) for profile in profiles.values()):
            found |= {number: profile for number, profile in profiles.items() if profile.startswith(MORE_PROFILES)}
    return found


def with_profiles(sdp: str, profiles: Mapping[int, str]) -> str:
    """The description with these H.264 profiles instead of the ones it has (RFC 6184 §8.1)."""
    for payload_type, profile in profiles.items():
        sdp = re.sub(rf"(?m)^(a=fmtp:{payload_type} .*profile-level-id=)[0-9a-fA-F]{{6}}", rf"\g<1>{profile}", sdp)
    return sdp


def with_packet_time(answer_sdp: str, packet_ms: int) -> str:
    """The answer with a wish for packets of this much sound (RFC 8866 §6.4)."""
    session, *sections = _split(answer_sdp)
    ending = f"a=ptime:{packet_ms}\n"
    sections = [section + ending if section.startswith("m=audio ") else section for section in sections]
    return _join((session + "".join(sections)).splitlines())


def with_exclusive_mux(answer_sdp: str) -> str:
    """The answer with `rtcp-mux-only` in each section, as WHIP and WHEP want it (RFC 9725 §4.4.1, RFC 8858 §3)."""
    lines: list[str] = []
    for line in answer_sdp.splitlines():
        lines += [line, "a=rtcp-mux-only"] if line == "a=rtcp-mux" else [line]
    return _join(lines)


def transform_answer(answer_sdp: str) -> str:
    """The answer with what aiortc does not say itself.

    Opus: parameters, and `nack`, because browsers then ask for lost packets of the voice again, and send those of the
    microphone again when they are asked.
    Video: a bandwidth limit (`b=AS`, RFC 8866 §5.8).
    Where nothing is sent, no stream is announced (RFC 8829 §5.3.1).
    """
    session, *sections = _split(answer_sdp)
    return _join((session + "".join(_section(_announced(section)) for section in sections)).splitlines())


def _split(sdp: str) -> list[str]:
    """The session part and each media section, with LF line ends."""
    return re.split(r"(?m)^(?=m=)", sdp.replace("\r\n", "\n"))


def _announced(section: str) -> str:
    if "\na=recvonly\n" not in section and "\na=inactive\n" not in section:
        return section
    return re.sub(r"(?m)^a=(?:msid|ssrc|ssrc-group):.*\n", "", section)


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
