"""ICE servers as browsers are told them."""

from gateway.doors.ice_servers import as_json, as_links
from gateway.settings import IceServer

SERVERS = (
    IceServer(urls=("stun:stun.example:3478",)),
    IceServer(urls=("turn:turn.example?transport=udp", "turns:turn.example"), username='a"b\\c', credential="secret"),
)


def test_links_are_those_of_the_standard() -> None:
    """One a URL, with quoted strings escaped."""
    assert as_links(SERVERS) == [
        '<stun:stun.example:3478>; rel="ice-server"',
        '<turn:turn.example?transport=udp>; rel="ice-server"; username="a\\"b\\\\c"; credential="secret"; '
        'credential-type="password"',
        '<turns:turn.example>; rel="ice-server"; username="a\\"b\\\\c"; credential="secret"; '
        'credential-type="password"',
    ]


def test_json_is_a_configuration_of_a_peer_connection() -> None:
    """Without fields that are not set."""
    assert as_json(SERVERS[:1]) == [{"urls": ["stun:stun.example:3478"]}]
    assert as_json(SERVERS)[1]["credential"] == "secret"
