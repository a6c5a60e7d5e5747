"""The networks a test session can be sent through, by name.

Owns their figures. It must not know sockets, sessions or HTTP.
**Invariant: every network that is named can be used, and what a caller asks for of his own is bounded.**
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadRequest
from gateway.impair import Conditions

HOUR_S = 3600  # blackouts that come again and again are planned for so long


def _every(period_s: int, lasts_s: float) -> tuple[tuple[float, float], ...]:
    return tuple((float(at_s), at_s + lasts_s) for at_s in range(period_s, HOUR_S, period_s))


@dataclass(frozen=True, slots=True)
class Network:
    """One way between browser and gateway; `up` is towards the gateway."""

    words: str
    up: Conditions
    down: Conditions

    def as_json(self) -> dict[str, Any]:
        """For a page that lets a person choose."""
        return {"words": self.words, "up": _figures(self.up), "down": _figures(self.down)}


def _same(words: str, conditions: Conditions) -> Network:
    return Network(words, conditions, conditions)


NETWORKS: dict[str, Network] = {
    "clean": _same("Through the relay, which adds nothing.", Conditions()),
    "good": _same("A good home network: 40 ms round trip.", Conditions(delay_ms=20, jitter_ms=5, loss=0.001)),
    # The figures that web performance tools call 3G: 1.6 Mbit/s down, 768 kbit/s up, 300 ms round trip.
    "3g": Network(
        "A phone on 3G: 300 ms round trip, 768 kbit/s up, 1.6 Mbit/s down.",
        Conditions(delay_ms=150, jitter_ms=30, loss=0.01, rate_bps=768_000),
        Conditions(delay_ms=150, jitter_ms=30, loss=0.01, rate_bps=1_600_000),
    ),
    # Losses come in runs, and the tunnels are shorter than what a page counts as a lost connection.
    "train": _same(
        "A train: 5 % lost in runs, 100 ms round trip, a tunnel of 2 s every 30 s.",
        Conditions(delay_ms=50, jitter_ms=30, loss=0.05, burst=4, blackouts=_every(30, 2.0)),
    ),
    "loss10": _same("10 % of all packets lost, 60 ms round trip.", Conditions(delay_ms=30, jitter_ms=15, loss=0.1)),
    "blackout": _same(
        "Nothing at all for 5 s every 20 s.", Conditions(delay_ms=20, jitter_ms=5, blackouts=_every(20, 5.0))
    ),
}

CUSTOM = "custom"
# What may be asked for: name of the parameter -> (least, most, default).
BOUNDS: dict[str, tuple[float, float, float]] = {
    "loss_percent": (0, 90, 0),
    "burst": (1, 100, 1),
    "delay_ms": (0, 5_000, 0),
    "jitter_ms": (0, 5_000, 0),
    "up_kbps": (0, 1_000_000, 0),
    "down_kbps": (0, 1_000_000, 0),
}


def network_from(name: str, query: Mapping[str, str]) -> Network:
    """The network of this name, or the one that the parameters describe; raises BadRequest."""
    if name in NETWORKS:
        return NETWORKS[name]
    if name != CUSTOM:
        raise BadRequest(f"There is no network {name[:40]!r}; there are {', '.join((*NETWORKS, CUSTOM))}.")
    asked = {parameter: _number(query, parameter, *bounds) for parameter, bounds in BOUNDS.items()}

    def way(rate_kbps: float) -> Conditions:
        return Conditions(
            loss=asked["loss_percent"] / 100,
            burst=asked["burst"],
            delay_ms=asked["delay_ms"],
            jitter_ms=asked["jitter_ms"],
            rate_bps=rate_kbps * 1000,
        )

    return Network("As asked for.", way(asked["up_kbps"]), way(asked["down_kbps"]))


def _number(query: Mapping[str, str], parameter: str, least: float, most: float, default: float) -> float:
    text = query.get(parameter)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise BadRequest(f"{parameter} must be a number from {least:g} to {most:g}, and was {text[:20]!r}.")
    return value


def _figures(conditions: Conditions) -> dict[str, float]:
    return {
        "loss_percent": conditions.loss * 100,
        "burst": conditions.burst,
        "delay_ms": conditions.delay_ms,
        "jitter_ms": conditions.jitter_ms,
        "kbps": conditions.rate_bps / 1000,
    }
