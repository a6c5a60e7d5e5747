"""What an offer must be."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.sdp import OFFER_MAX_BYTES, check_offer
from gateway.errors import ClientError, PayloadTooLarge

CORPUS = Path(__file__).parents[2] / "corpus/sdp"
GOOD = sorted(CORPUS.glob("good-*.sdp"))
BAD = sorted(CORPUS.glob("bad-*.sdp"))

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


LINES = st.sampled_from(sorted({line for path in GOOD for line in path.read_bytes().splitlines()}))


@given(st.lists(LINES | st.binary(max_size=30), max_size=60))
def test_any_bytes_are_taken_or_refused(lines: list[bytes]) -> None:
    """Nothing that arrives raises anything but an error for the client."""
    with suppress(ClientError):
        check_offer(b"v=0\r\n" + b"\r\n".join(lines))
