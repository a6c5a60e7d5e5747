"""Trickle ICE fragments."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.sdpfrag import CANDIDATES_MAX, Fragment, parse_fragment
from gateway.errors import BadRequest, ClientError
from gateway.media.peer import TrickleCandidate

CORPUS = Path(__file__).parents[2] / "corpus/sdpfrag"
BAD = sorted(CORPUS.glob("bad-*.sdpfrag"))


def read(name: str) -> Fragment:
    """A fragment of the corpus."""
    return parse_fragment((CORPUS / f"{name}.sdpfrag").read_bytes())


def test_the_example_of_the_standard_is_read() -> None:
    """Credentials, candidates of a section, and their end."""
    fragment = read("good-rfc9725")
    assert (fragment.ice_ufrag, fragment.ice_pwd) == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert len(fragment.candidates) == 3
    first = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1"
    assert fragment.candidates[0] == TrickleCandidate(first, "0", 0)


def test_component_0_is_taken_for_1() -> None:
    """Some encoders count components from 0."""
    (candidate,) = read("good-component-0").candidates
    assert candidate == TrickleCandidate("candidate:1 1 UDP 2015363327 192.0.2.9 40000 typ host", "audio0", 0)


def test_brackets_around_an_address_are_taken_off() -> None:
    """Some write IPv6 as in a URL."""
    (candidate,) = read("good-bracketed-ipv6").candidates
    assert candidate.candidate == "candidate:1449661856 1 udp 2122265343 fd00::2 46560 typ host"


def test_credentials_alone_are_a_fragment() -> None:
    """Some clients send only these first."""
    assert read("good-credentials-only") == Fragment("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1", ())


def test_the_end_alone_is_a_fragment() -> None:
    """At session level, without a section."""
    assert read("good-end-only") == Fragment(None, None, ())


def test_each_candidate_knows_its_section() -> None:
    """By mid and by index; IPv6 and related addresses are read."""
    assert [(candidate.mid, candidate.mline_index) for candidate in read("good-two-sections").candidates] == [
        ("0", 0),
        ("1", 1),
    ]


def test_a_hidden_address_is_valid() -> None:
    """An mDNS name is not an error; the peer passes over it."""
    assert len(read("good-mdns").candidates) == 1


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_what_cannot_be_read_is_refused_in_words(path: Path) -> None:
    """Each with the line that is wrong, where there is one."""
    with pytest.raises(BadRequest, match="fragment"):
        parse_fragment(path.read_bytes())


def test_candidates_are_bounded() -> None:
    """A request is not a way to fill the memory."""
    line = b"a=candidate:1 1 udp 1 192.0.2.1 1000 typ host\r\n"
    assert len(parse_fragment(line * CANDIDATES_MAX).candidates) == CANDIDATES_MAX
    with pytest.raises(BadRequest, match="101 candidates"):
        parse_fragment(line * (CANDIDATES_MAX + 1))


LINES = st.sampled_from(sorted({line for path in CORPUS.iterdir() for line in path.read_bytes().splitlines()}))


@given(st.lists(LINES | st.binary(max_size=60), max_size=30))
def test_any_bytes_are_read_or_refused(lines: list[bytes]) -> None:
    """Nothing that arrives raises anything but an error for the client."""
    with suppress(ClientError):
        parse_fragment(b"\r\n".join(lines))
