"""The addresses that no relay may lead to."""

import ipaddress

from gateway.turn.peers import ANYONE, FORBIDDEN, forbidden_but


def test_each_kind_of_address_has_an_example() -> None:
    """Of both families, and of each way to write an IPv4 address in IPv6; none twice; none that is just somebody."""
    addresses = [ipaddress.ip_address(peer.address) for peer in FORBIDDEN]
    assert len(set(addresses)) == len(addresses)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96"),
        "64:ff9b:1::/48",
        *("100::/64", "2001::/32", "2002::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    ):
        assert any(address in ipaddress.ip_network(network) for address in addresses), network
    assert ipaddress.ip_address(ANYONE.address).is_global


def test_the_gateway_itself_is_not_forbidden() -> None:
    """However its address is written."""
    assert len(forbidden_but(["10.0.0.1", "0:0:0:0:0:0:0:1"])) == len(FORBIDDEN) - 2
