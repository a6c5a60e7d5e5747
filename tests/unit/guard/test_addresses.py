"""Whose address a request comes from: what is believed of headers, and of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.addresses import UNKNOWN, client_of, forwarded, forwarded_for, networks, parse, site_of

TRUSTED = networks(["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    ("peer", "lines", "client"),
    [
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),  # nobody we trust said it
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),  # the client wrote the first one itself
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9, 10.2.3.4"], "203.0.113.9"),  # two proxies, two lines
        ("::ffff:10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", ["203.0.113.9, nonsense"], "10.0.0.1"),  # what a proxy could not name is not passed over
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("", ["203.0.113.9"], UNKNOWN),
    ],
)
def test_x_forwarded_for_is_believed_as_far_as_trusted_proxies_reach(peer: str, lines: list[str], client: str) -> None:
    """From the right, up to the first address that is not a proxy of ours."""
    assert client_of(peer, forwarded_for(lines), TRUSTED) == client


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (['For="[2001:db8::7]:4711";proto=https;by=10.0.0.1'], "2001:db8::7"),
        (["for=6.6.6.6, proto=http;for=203.0.113.9"], "203.0.113.9"),
        (["for=_hidden"], "10.0.0.1"),
        (["for=unknown, for=10.1.1.1"], "10.1.1.1"),
        (["by=203.0.113.9"], "10.0.0.1"),
    ],
)
def test_forwarded_is_read_likewise(lines: list[str], client: str) -> None:
    """RFC 7239: quoted, with ports, in any case, among other parameters."""
    assert client_of("10.0.0.1", forwarded(lines), TRUSTED) == client


@given(st.text(max_size=60), st.lists(st.text(max_size=60), max_size=4))
def test_whatever_headers_say_nothing_raises(peer: str, lines: list[str]) -> None:
    """The result is an address, or the word for none."""
    everyone = networks(["0.0.0.0/0", "::/0"])
    for hops in (forwarded(lines), forwarded_for(lines)):
        client = client_of(peer, hops, everyone)
        assert client == UNKNOWN or parse(client) is not None


def test_a_64_of_ipv6_counts_as_one_sender() -> None:
    """Everyone has as many addresses of it as they like; IPv4 counts by the address."""
    assert site_of("2001:db8:1:2:3::4") == site_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert site_of("2001:db8:1:3::1") != site_of("2001:db8:1:2::1")
    assert site_of("192.0.2.1") == "192.0.2.1"
    assert site_of(UNKNOWN) == UNKNOWN
