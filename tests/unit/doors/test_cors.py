"""Which pages may call the gateway."""

import pytest

from gateway.doors.cors import is_allowed, is_loopback_host, is_same_origin


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:8080", True),
        ("127.8.9.1", True),
        ("localhost:8080", True),
        ("LOCALHOST", True),
        ("gateway.localhost:80", True),
        ("[::1]:8080", True),
        ("192.0.2.1:8080", False),
        ("localhost.example.org", False),
        ("evil.example:8080", False),
        ("", False),
    ],
)
def test_a_loopback_gateway_knows_its_names(host: str, loopback: bool) -> None:
    """A name that merely points at loopback is not one of them."""
    assert is_loopback_host(host) is loopback


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("https://gateway.example", "gateway.example", True),
        ("https://gateway.example", "gateway.example:443", True),
        ("http://gateway.example", "gateway.example:443", False),
        ("http://127.0.0.1:3000", "127.0.0.1:8080", False),
        ("null", "127.0.0.1:8080", False),
    ],
)
def test_a_page_of_the_gateway_is_told_from_others(origin: str, host: str, same: bool) -> None:
    """Host and port decide; a proxy may have ended TLS."""
    assert is_same_origin(origin, host) is same


def test_added_origins_are_allowed() -> None:
    """Exactly these, or all with a star."""
    assert is_allowed("https://app.example", ("https://app.example/",))
    assert not is_allowed("https://app.example.evil", ("https://app.example",))
    assert is_allowed("https://anything.example", ("*",))
