"""What an offer must be before anything is built for it.

Owns the reading of an SDP offer (RFC 8866, RFC 8829) as far as it decides whether the gateway can serve it. It must not
know peers or HTTP.
**Invariant: what passes has at most one audio section, with Opus, at most one video section, with VP8 or H.264 where it
sends, one bundle, and the credentials of ICE and DTLS; what does not pass raises an error that says why.**
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.errors import BadOffer, PayloadTooLarge, TooManySections, UnsupportedOffer

OFFER_MAX_BYTES = 64 * 1024  # the largest offers of browsers have 15 kB
SECTIONS_MAX = 8  # a browser offers three; each more is one that was added and given up
LINES_MAX = 2000
KINDS = frozenset({"audio", "video", "application"})
WHIP_KINDS = frozenset({"audio", "video"})
PORT = re.compile(r"\d{1,5}", re.ASCII)
VIDEO_CODECS = {"VP8", "H264"}
DIRECTIONS = {"sendrecv", "sendonly", "recvonly", "inactive"}


@dataclass(slots=True)
class Section:
    """One media section."""

    kind: str
    port: int
    lines: list[str] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        """False for a rejected section; a port of 0 with `bundle-only` is not a rejection (RFC 8843 §6)."""
        return self.port != 0 or "a=bundle-only" in self.lines

    @property
    def codecs(self) -> set[str]:
        """Encoding names of the section, in capitals."""
        return {
            value.split(" ", 1)[1].partition("/")[0].upper() for value in self.values("rtpmap") if " " in value.strip()
        }

    @property
    def direction(self) -> str:
        """What the offering side does here; `sendrecv` where it does not say (RFC 8866 §6.7)."""
        directions = [line.removeprefix("a=") for line in self.lines if line.removeprefix("a=") in DIRECTIONS]
        return directions[-1] if directions else "sendrecv"

    @property
    def sends(self) -> bool:
        """True when the offering side sends here."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """True when the offering side receives here."""
        return self.direction in ("sendrecv", "recvonly")

    def values(self, name: str) -> list[str]:
        """Values of an attribute."""
        return [line.removeprefix(f"a={name}:") for line in self.lines if line.startswith(f"a={name}:")]


def check_offer(
    body: bytes, *, bytes_max: int = OFFER_MAX_BYTES, sections_max: int = SECTIONS_MAX, videos_max: int = 1
) -> str:
    """The offer of a conversation as text: a microphone, perhaps a camera and a data channel.

    Raises BadOffer, UnsupportedOffer, PayloadTooLarge or TooManySections with a sentence.
    """
    session, active = _active(body, KINDS, bytes_max, sections_max)
    audio, video = _tracks(active, videos_max)
    if audio is None:
        raise UnsupportedOffer(
            "The offer has no audio section, and without a microphone there is nothing to talk with."
        )
    if sum(section.kind == "application" for section in active) > 1:
        raise UnsupportedOffer("The offer has more than one data channel section.")
    if not audio.sends:
        raise UnsupportedOffer("The offer's audio section sends nothing: it must be sendrecv or sendonly.")
    _check_audio(audio)
    if video is not None:
        _check_video(video)
    _check_transport(session, active)
    return body.decode()


def check_whip_offer(body: bytes, *, bytes_max: int = OFFER_MAX_BYTES, sections_max: int = SECTIONS_MAX) -> str:
    """The offer of a WHIP client (RFC 9725 §4.2, §4.4.2): one stream of a camera, a microphone or both.

    Raises as `check_offer`.
    """
    session, active = _active(body, WHIP_KINDS, bytes_max, sections_max)
    audio, video = _tracks(active)
    for section in active:
        if not section.sends:
            raise UnsupportedOffer(f"The offer's {section.kind} section must be sendonly or sendrecv.")
    if audio is not None:
        _check_audio(audio)
    if video is not None:
        _check_video(video)
    streams = {value.split(" ", 1)[0] for section in active for value in section.values("msid")} - {"-"}
    if len(streams) > 1:
        raise UnsupportedOffer(
            f"The offer's sections belong to {len(streams)} media streams (a=msid); there may be one."
        )
    _check_transport(session, active)
    return body.decode()


def check_whep_offer(body: bytes, *, bytes_max: int = OFFER_MAX_BYTES, sections_max: int = SECTIONS_MAX) -> str:
    """The offer of a WHEP player, which listens; what it would like to see it does not get. Raises as `check_offer`."""
    session, active = _active(body, WHIP_KINDS, bytes_max, sections_max)
    audio, _ = _tracks(active)
    if audio is None:
        raise UnsupportedOffer("The offer has no audio section, and there is nothing but a voice to receive.")
    for section in active:
        if not section.receives:
            raise UnsupportedOffer(f"The offer's {section.kind} section must be recvonly or sendrecv.")
    _check_audio(audio)
    _check_transport(session, active)
    return body.decode()


def ice_ufrag(sdp: str) -> str:
    """The user name fragment of a description that has one for all its sections; it names its ICE session."""
    return next(line.removeprefix("a=ice-ufrag:") for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))


def _active(body: bytes, kinds: frozenset[str], bytes_max: int, sections_max: int) -> tuple[Section, list[Section]]:
    """The session part, and the sections that are not rejected; all of them are of these kinds."""
    if len(body) > bytes_max:
        raise PayloadTooLarge(f"The offer has {len(body)} bytes; there may be {bytes_max}.")
    session, sections = _read(body)
    if len(sections) > sections_max:
        raise TooManySections(f"The offer has {len(sections)} media sections; there may be {sections_max}.")
    active = [section for section in sections if section.is_active]
    for section in active:
        if section.kind not in kinds:
            raise UnsupportedOffer(
                f"The offer has a section of kind {section.kind!r}; there may be audio and video"
                + (" only: data channels are for POST /v1/sessions." if section.kind in KINDS else ".")
            )
    if not active:
        raise UnsupportedOffer("The offer has no media section that is not rejected.")
    return session, active


def _tracks(active: list[Section], videos_max: int = 1) -> tuple[Section | None, Section | None]:
    """The audio and the first video section."""
    found: list[Section | None] = []
    for kind, most in (("audio", 1), ("video", videos_max)):
        sections = [section for section in active if section.kind == kind]
        if len(sections) > most:
            allowed = "one" if most == 1 else str(most)
            raise UnsupportedOffer(f"The offer has {len(sections)} {kind} sections; there may be {allowed}.")
        found.append(sections[0] if sections else None)
    return found[0], found[1]


def _check_audio(audio: Section) -> None:
    if "OPUS" not in audio.codecs:
        raise UnsupportedOffer("The offer's audio section has no Opus, the one audio codec of the gateway.")


def _check_video(video: Section) -> None:
    if not video.codecs & VIDEO_CODECS:
        raise UnsupportedOffer("The offer's video section has neither VP8 nor H.264.")


def _read(body: bytes) -> tuple[Section, list[Section]]:
    """The session part (as a section without a kind) and the media sections."""
    if len(body) > OFFER_MAX_BYTES:
        raise PayloadTooLarge(f"The offer has {len(body)} bytes; there may be {OFFER_MAX_BYTES}.")
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError:
        raise BadOffer("The body is not text, so it is not an SDP offer.") from None
    if not lines or lines[0] != "v=0":
        raise BadOffer("The body is not an SDP offer: it does not begin with v=0.")
    if len(lines) > LINES_MAX:
        raise BadOffer(f"The offer has {len(lines)} lines; there may be {LINES_MAX}.")
    session = Section("", 0)
    sections: list[Section] = []
    for number, line in enumerate(lines, start=1):
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
            if line:
                raise BadOffer(f"Line {number} of the offer is not an SDP line: {line[:40]!r}.")
            continue
        if line.startswith("m="):
            sections.append(_media_line(line, number))
        (sections[-1] if sections else session).lines.append(line)
    if not sections:
        raise BadOffer("The offer has no media section.")
    return session, sections


def is_port(text: str) -> bool:
    """A port as SDP writes it. Python calls more than these digits a number, and refuses to read thousands of them."""
    return PORT.fullmatch(text) is not None and int(text) <= 65535


def _media_line(line: str, number: int) -> Section:
    parts = line.removeprefix("m=").split()
    if len(parts) < 4 or not is_port(parts[1]):
        raise BadOffer(f"Line {number} of the offer is not a media line: {line[:40]!r}.")
    return Section(parts[0], int(parts[1]))


def _check_transport(session: Section, active: list[Section]) -> None:
    for section in active:
        for name, what in (
            ("ice-ufrag", "ICE user fragment"),
            ("ice-pwd", "ICE password"),
            ("fingerprint", "DTLS fingerprint"),
            ("setup", "DTLS setup role"),
        ):
            if not (section.values(name) or session.values(name)):
                raise BadOffer(f"The offer's {section.kind} section has no {what} (a={name}).")
        if set(section.values("setup") or session.values("setup")) == {"holdconn"}:
            raise UnsupportedOffer(f"The offer's {section.kind} section holds its connection back (a=setup:holdconn).")
        if section.kind != "application" and "a=rtcp-mux" not in section.lines:
            raise UnsupportedOffer(f"The offer's {section.kind} section has no a=rtcp-mux, which the gateway needs.")
    bundles = [words[1:] for words in map(str.split, session.values("group")) if words[:1] == ["BUNDLE"]]
    mids = [mid for section in active for mid in section.values("mid")]
    if len(active) > 1 and not (bundles and set(mids) <= set(bundles[0]) and len(mids) == len(active)):
        raise UnsupportedOffer("The offer's sections are not in one BUNDLE group, which the gateway needs.")
    if bundles and bundles[0] and bundles[0][0] not in mids:  # RFC 8843 §7.2: it is the one whose transport all use
        raise BadOffer("The first section of the offer's BUNDLE group is not there.")
