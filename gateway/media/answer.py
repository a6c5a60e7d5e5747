"""The SDP that comes in, made fit for the ICE agent, and the SDP that goes out, made fit for bad networks.

Owns text edits of session descriptions. It must not know peer connections; offers were validated before.
**Invariant: a description without the lines that are edited comes back as it was; line ends are CRLF (RFC 8866 §5).**
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# 32 kbit/s mono carries wideband speech with room for in-band FEC.
OPUS_PARAMETERS = "minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate=32000"
# What 512 px at 3 fps needs twice over; a sender that does not follow our page's limits is held to this.
VIDEO_AS_KBPS = 600


def usable_candidate(candidate: str) -> bool:
    """False for candidates the ICE agent could only waste time on: TCP, and `.local` names (RFC 8839 §5.1).

    A browser behind an mDNS name is reached all the same, as a peer-reflexive candidate.
    """
    parts = candidate.split()
    return len(parts) >= 8 and parts[2].lower() == "udp" and not parts[4].lower().endswith(".local")


def clean_offer(offer_sdp: str) -> str:
    """The offer without candidates that are of no use, and with a port for each section that is only bundled.

    A `bundle-only` section has the port 0 (RFC 8843 §6), which aiortc takes for a rejected one.
    """
    session, *sections = _split(offer_sdp)
    opened = [
        re.sub(r"^m=(\S+) 0 ", r"m=\1 9 ", section) if "\na=bundle-only" in section else section for section in sections
    ]
    return _join(
        line
        for line in (session + "".join(opened)).splitlines()
        if not line.startswith("a=candidate:") or usable_candidate(line.removeprefix("a="))
    )


def transform_answer(answer_sdp: str) -> str:
    """The answer with what aiortc does not say itself.

    Opus: parameters, and `nack`, because browsers then ask for lost packets of the voice again and aiortc resends them.
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
