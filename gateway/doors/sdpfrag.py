"""Trickle ICE fragments (RFC 8840 §4.4, RFC 9725 §4.3.1).

Owns the reading of one fragment. It must not know peers or HTTP.
**Invariant: what comes back has candidates an ICE agent can parse; anything unreadable raises BadRequest.**
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from gateway.doors.sdp import is_port
from gateway.errors import BadRequest
from gateway.media.peer import TrickleCandidate

FRAGMENT_MAX_BYTES = 16 * 1024
CANDIDATES_MAX = 100  # a phone with VPN, two SIMs and IPv6 has a dozen
PRIORITY = re.compile(r"\d{1,10}", re.ASCII)  # RFC 8839 §5.1 counts the digits; Python refuses to read thousands


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a fragment says."""

    ice_ufrag: str | None
    ice_pwd: str | None
    candidates: tuple[TrickleCandidate, ...]


def parse_fragment(body: bytes) -> Fragment:
    """Read a fragment; raises BadRequest with a sentence."""
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError:
        raise BadRequest("The body is not text, so it is not an SDP fragment.") from None
    values: dict[str, str] = {}
    candidates: list[TrickleCandidate] = []
    mid: str | None = None
    section: int | None = None
    ended = known = False
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise BadRequest(f"Line {number} of the fragment is not an SDP line: {line[:40]!r}.")
        name, _, value = line.removeprefix("a=").partition(":")
        if line.startswith("m="):
            section, mid, known = (0 if section is None else section + 1), None, True
        elif line.startswith("a=mid:"):
            mid, known = value, True
        elif line.startswith("a=candidate:"):
            candidates.append(TrickleCandidate(candidate_of(value, f"Line {number} of the fragment"), mid, section))
        elif line == "a=end-of-candidates":
            ended = True
        elif name in ("ice-ufrag", "ice-pwd"):
            values[name] = value
    if len(candidates) > CANDIDATES_MAX:
        raise BadRequest(f"The fragment has {len(candidates)} candidates; there may be {CANDIDATES_MAX}.")
    if not (candidates or ended or values or known):
        raise BadRequest(
            "The fragment says nothing: it has no candidate, no a=end-of-candidates and no ICE credentials."
        )
    return Fragment(values.get("ice-ufrag"), values.get("ice-pwd"), tuple(candidates))


def candidate_of(value: str, where: str) -> str:
    """`candidate:…` with a component of 1 and a bare address; some count components from 0 and put IPv6 in brackets.

    Raises BadRequest.
    """
    parts = value.split()
    if len(parts) > 4:
        parts[4] = parts[4].removeprefix("[").removesuffix("]")
    valid = (
        len(parts) >= 8
        and parts[1] in ("0", "1", "2")
        and PRIORITY.fullmatch(parts[3])
        and is_port(parts[5])
        and parts[6] == "typ"
        and _is_address(parts[4])
    )
    if not valid:
        raise BadRequest(f"{where} is not an ICE candidate: {value[:60]!r}.")
    for name, related in zip(parts[8::2], parts[9::2], strict=False):
        if name == "rport" and not is_port(related):
            raise BadRequest(f"{where} has a related port that is none: {related[:20]!r}.")
    parts[1] = "1" if parts[1] == "0" else parts[1]
    return "candidate:" + " ".join(parts)


def _is_address(text: str) -> bool:
    if text.lower().endswith(".local"):  # mDNS (RFC 8839 §5.1): valid, and of no use to us
        return True
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
