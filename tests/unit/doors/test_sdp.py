"""What an offer must be."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.sdp import OFFER_MAX_BYTES, check_offer, check_whep_offer, check_whip_offer, ice_ufrag
from gateway.errors import ClientError, PayloadTooLarge, UnsupportedOffer

CORPUS = Path(__file__).parents[2] / "corpus/sdp"
GOOD = sorted(CORPUS.glob("good-*.sdp"))
BAD = sorted(CORPUS.glob("bad-*.sdp"))
WHIP = sorted((CORPUS.parent / "whip").glob("*.sdp"))
WHEP = sorted((CORPUS.parent / "whep").glob("*.sdp"))
CAMERA = (CORPUS.parent / "whip/good-ffmpeg-active.sdp").read_text(encoding="utf-8")
PLAYER = (CORPUS.parent / "whep/good-wrtc.sdp").read_text(encoding="utf-8")
DATA = (CORPUS / "good-chromium-data-channel.sdp").read_text(encoding="utf-8")

WORDS = {
    "not-sdp": "does not begin with v=0",
    "empty": "does not begin with v=0",
    "binary": "not text",
    "no-sections": "no media section",
    "cut-off": "is not a media line",
    "port-endless": "is not a media line",
    "port-superscript": "is not a media line",
    "line": "is not an SDP line",
    "no-ice": "no ICE user fragment",
    "no-fingerprint": "no DTLS fingerprint",
    "no-audio": "no audio section",
    "audio-rejected": "no audio section",
    "audio-recvonly": "sends nothing",
    "three-videos": "3 video sections",
    "two-audios": "2 audio sections",
    "no-opus": "no Opus",
    "only-av1": "neither VP8 nor H.264",
    "not-bundled": "BUNDLE",
    "bundle-of-nothing": "BUNDLE group is not there",
    "bundle-word": "BUNDLE",
    "no-rtcp-mux": "rtcp-mux",
    "kind": "'image'",
}


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_offers_of_real_clients_are_taken(path: Path) -> None:
    """As they are, down to the last byte."""
    assert check_offer(path.read_bytes()) == path.read_bytes().decode()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_bad_offer_is_refused_with_its_reason(path: Path) -> None:
    """With the status the file's name says, in words that name what is missing."""
    _, status, name = path.stem.split("-", 2)
    with pytest.raises(ClientError) as refused:
        check_offer(path.read_bytes())
    assert refused.value.http_status == int(status)
    assert WORDS[name] in refused.value.user_message


def test_every_reason_has_its_offer() -> None:
    """No refusal is without an example."""
    assert {path.stem.split("-", 2)[2] for path in BAD} == WORDS.keys()


def test_a_giant_offer_is_refused_by_its_size() -> None:
    """Before anything of it is read."""
    with pytest.raises(PayloadTooLarge):
        check_offer(b"v=0\r\n" + b"a=x\r\n" * OFFER_MAX_BYTES)


@pytest.mark.parametrize("path", WHIP, ids=lambda path: path.stem)
def test_offers_of_whip_clients_are_taken(path: Path) -> None:
    """As they are: sendonly and sendrecv, either DTLS role, with and without a microphone."""
    assert check_whip_offer(path.read_bytes()) == path.read_bytes().decode()


@pytest.mark.parametrize("path", WHEP, ids=lambda path: path.stem)
def test_offers_of_whep_players_are_taken(path: Path) -> None:
    """Also where they would like to see something."""
    assert check_whep_offer(path.read_bytes()) == path.read_bytes().decode()


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (CAMERA.replace("a=sendonly", "a=recvonly", 1), "audio section must be sendonly or sendrecv"),
        (CAMERA.replace("a=sendonly", "a=inactive"), "must be sendonly or sendrecv"),
        (CAMERA.replace("a=msid:FFmpeg video", "a=msid:other video", 1), "2 media streams"),
        (CAMERA.replace("opus", "PCMU"), "no Opus"),
        (CAMERA.replace("H264", "H265"), "neither VP8 nor H.264"),
        (CAMERA.replace(" 9 UDP", " 0 UDP"), "no media section that is not rejected"),
        (DATA, "data channels are for POST /v1/sessions"),
    ],
    ids=["recvonly", "inactive", "two streams", "no opus", "no video codec", "nothing active", "data channel"],
)
def test_what_whip_does_not_allow_is_refused_in_words(offer: str, words: str) -> None:
    """422, with what is wrong."""
    with pytest.raises(UnsupportedOffer, match=words):
        check_whip_offer(offer.encode())


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (PLAYER.replace("a=recvonly", "a=sendonly"), "must be recvonly or sendrecv"),
        (PLAYER.replace("a=recvonly", "a=inactive"), "must be recvonly or sendrecv"),
        (PLAYER.replace("m=audio", "m=video"), "nothing but a voice"),
        (PLAYER.replace("opus", "PCMU"), "no Opus"),
    ],
    ids=["sendonly", "inactive", "no audio", "no opus"],
)
def test_what_whep_does_not_allow_is_refused_in_words(offer: str, words: str) -> None:
    """422, with what is wrong."""
    with pytest.raises(UnsupportedOffer, match=words):
        check_whep_offer(offer.encode())


def test_an_ice_session_is_named_by_its_user_fragment() -> None:
    """The first one, which all sections of a bundle share."""
    assert ice_ufrag(CAMERA) == "9a80126a"


LINES = st.sampled_from(sorted({line for path in GOOD for line in path.read_bytes().splitlines()}))


@given(st.lists(LINES | st.binary(max_size=30), max_size=60))
def test_any_bytes_are_taken_or_refused(lines: list[bytes]) -> None:
    """Nothing that arrives raises anything but an error for the client, at whichever door."""
    for check in (check_offer, check_whip_offer, check_whep_offer):
        with suppress(ClientError):
            check(b"v=0\r\n" + b"\r\n".join(lines))
