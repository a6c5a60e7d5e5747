"""A bad network on purpose, for tests: a UDP relay between a browser and the gateway that loses, delays, reorders,
repeats and holds back datagrams, by a seed. It needs no root.

    relay = Relay(Conditions(loss=0.1, delay_ms=30, jitter_ms=15), seed=1)
    await relay.open(gateway_address)
    sdp = relay.rewrite(answer_sdp)      # the browser now sees the relay instead of the gateway
"""

from gateway.impair.conditions import Conditions, Impairment
from gateway.impair.relay import Relay, host_candidate, host_candidates, without_candidates

__all__ = ["Conditions", "Impairment", "Relay", "host_candidate", "host_candidates", "without_candidates"]
