"""What a phone outside sees."""

import pytest

from gateway.turn.outside import verdict

ASKED = "stun:stun.example:3478"
SERVER = "8.8.4.4"


@pytest.mark.parametrize(
    ("local", "seen", "told", "has_relay", "level", "words"),
    [
        (("8.8.8.8", 50000), ("8.8.8.8", 50000), ["8.8.8.8"], False, "ok", "as browsers are told"),
        (("10.0.0.5", 50000), ("8.8.8.8", 50000), ["8.8.8.8"], False, "ok", "as browsers are told"),
        (("10.0.0.5", 50000), ("8.8.8.8", 50000), ["8.8.8.8", "10.0.0.5"], True, "ok", "as browsers are told"),
        (("10.0.0.5", 50000), ("8.8.8.8", 1024), ["8.8.8.8"], False, "warning", "has to forward UDP 50000"),
        (("10.0.0.5", 0), ("8.8.8.8", 1024), ["8.8.8.8"], False, "ok", "as browsers are told"),
        (("10.0.0.5", 50000), ("8.8.8.8", 50000), ["10.0.0.5"], False, "wrong", "GATEWAY_UDP_ADVERTISED=8.8.8.8"),
        (("10.0.0.5", 50000), ("8.8.8.8", 50000), ["10.0.0.5"], True, "warning", "need the relay for every call"),
        (("2600::5", 50000), ("2600::5", 50000), ["2600:0::5"], False, "ok", "as browsers are told"),
        (("10.0.0.5", 50000), ("10.0.0.5", 50000), ["10.0.0.5"], True, "warning", "says nothing of the outside"),
    ],
)
def test_a_verdict_says_what_to_do(
    local: tuple[str, int], seen: tuple[str, int], told: list[str], has_relay: bool, level: str, words: str
) -> None:
    """By where the server saw the address, and what browsers are told of it."""
    addresses = [(host, 50000) for host in told]
    found = verdict(ASKED, SERVER, local, seen, addresses, has_relay=has_relay)
    assert (found.level, words in found.text) == (level, True), found.text
    assert found.text.startswith(f"{ASKED} sees {local[0]} as {seen[0]}")


def test_a_server_inside_says_nothing_of_the_outside() -> None:
    """Whatever it saw."""
    found = verdict(ASKED, "192.168.1.1", ("8.8.8.8", 1), ("8.8.8.8", 1), [("8.8.8.8", 1)], has_relay=True)
    assert found.level == "warning"
    assert "gateway doctor --stun HOST:PORT" in found.text
