"""What goes with a request from node to node."""

from multidict import CIMultiDict

from gateway.doors.forward import CLIENT, HOPS, KEY, headers_for_a_node


def test_what_only_nodes_may_say_is_said_by_the_node_alone() -> None:
    """A client's headers of these names go no further, in whatever spelling; its others do."""
    forged = {"x-gateway-client": "203.0.113.1", "X-GATEWAY-KEY": "guessed", "x-Gateway-hops": "0"}
    headers = headers_for_a_node(CIMultiDict({**forged, "Authorization": "Bearer t"}), "key", 2, "198.51.100.7")
    assert headers == {"Authorization": "Bearer t", KEY: "key", HOPS: "2", CLIENT: "198.51.100.7"}


def test_what_belongs_to_one_connection_stays_there() -> None:
    """Its framing and its handshake are made anew by each hop (RFC 9110 §7.6.1)."""
    received = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "k", "Content-Type": "text/plain"}
    assert set(headers_for_a_node(received, "key", 1, "::1")) == {"Content-Type", KEY, HOPS, CLIENT}
