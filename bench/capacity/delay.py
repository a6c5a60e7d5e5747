"""How long sound is under way inside the gateway, and how long one more person waits, while other calls are there too.

Owns the matching of both sides. Every caller sends short tones instead of speech; the model keeps what the first
connections heard, and tells when it spoke and when it interrupted itself. The one more person is a real Chromium, which
calls again and again once the tones have been counted.
**Invariant: a delay is between two moments by the same clock, and what has no other side is counted, not left out.**
"""

from __future__ import annotations

import asyncio
import base64
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.capacity.measure import SETTLE_S, bench, gateway
from bench.capacity.process import now_s
from bench.tap import tap, tapper
from tests.browser.callpage import chromium
from tests.integration.guarded import signed

HZ = 16_000
LOUD = 1500  # of 32768: the tone, and nothing else that is sent
QUIET_S = 0.2  # between two marks
MATCH_S = 0.5
TAPS = 50  # a minute with few calls, two with many
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Delays:
    """Of all that was matched, in ms."""

    calls: int
    mic_to_wire: list[float]
    wire_to_rtp: list[float]
    barge_in: list[float]
    tap_to_live: list[float]
    unmatched: int


async def delays(scenario: str, calls: int, window_s: float) -> Delays:
    """So many callers for so long; the first of them are listened to."""
    async with bench(gateway(), scenario, "--marks") as running:
        await running.model.ask("interrupt", r"interrupts: (all)")
        live = await running.calls(calls)
        await asyncio.sleep(SETTLE_S)
        begun_s = now_s()
        await asyncio.sleep(window_s)
        heard, figures = await running.arrivals(), await running.figures()
        tapped = await taps(running.url)
    up: list[float] = []
    down: list[float] = []
    silence: list[float] = []
    unmatched = 0
    for index, call in enumerate(heard[:live]):
        begins = [at_s for at_s in figures["begins"][index] if at_s >= begun_s]
        packets = [at_s for at_s in figures["heard"][index] if at_s >= begun_s]
        spoken = [at_s for at_s in call["spoken"] if begun_s <= at_s <= begun_s + window_s - MATCH_S]
        matched = nearest_after(spoken, begins, MATCH_S)
        down += matched
        unmatched += len(spoken) - len(matched)
        silence += last_within([at_s for at_s in call["interrupted"] if at_s >= begun_s], packets, MATCH_S)
        if call["sound"]:
            marks = [at_s for at_s in figures["marks"][index] if begun_s <= at_s <= begun_s + window_s - MATCH_S]
            tones = onsets([(at_s, base64.b64decode(data)) for at_s, data in call["sound"]])
            matched = nearest_after(marks, tones, MATCH_S)
            up += matched
            unmatched += len(marks) - len(matched)
    return Delays(live, up, down, silence, tapped, unmatched)


async def taps(url: str) -> list[float]:
    """From the tap to a call that is live, in ms, of one caller after another; each has a token of its own."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        async with chromium(Path(name)) as browser:
            context = await tapper(browser)
            for number in range(TAPS):
                token = signed(sub=f"tapper-{number}", exp=int(time.time()) + 3600)
                found.append((await tap(context, f"{url}/#token={token}"))["live"])
    return found


def onsets(messages: Sequence[tuple[float, bytes]]) -> list[float]:
    """When the message came in which a tone begins, for each tone; 16 kHz mono s16le in each message."""
    found: list[float] = []
    quiet = 0
    for at_s, pcm in messages:
        loud = np.flatnonzero(np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32)) > LOUD)
        if not loud.size:
            quiet += len(pcm) // 2
            continue
        if quiet + loud[0] > QUIET_S * HZ:
            found.append(at_s)
        quiet = len(pcm) // 2 - int(loud[-1]) - 1
    return found


def nearest_after(begins: Sequence[float], ends: Sequence[float], most_s: float) -> list[float]:
    """From each begin to the first end after it, in ms; those without one soon enough are left out."""
    found = []
    for begun_s in begins:
        at = bisect_left(ends, begun_s)
        if at < len(ends) and ends[at] - begun_s <= most_s:
            found.append((ends[at] - begun_s) * 1000)
    return found


def last_within(begins: Sequence[float], events: Sequence[float], most_s: float) -> list[float]:
    """From each begin to the last event within a time after it, in ms; 0 where there was none."""
    found = []
    for begun_s in begins:
        at = bisect_right(events, begun_s + most_s)
        found.append(max(0.0, (events[at - 1] - begun_s) * 1000) if at else 0.0)
    return found


def percentiles(values_ms: Sequence[float]) -> dict[str, float]:
    """As the report has them."""
    if not values_ms:
        return {}
    return {f"p{share}": round(float(np.percentile(values_ms, share)), 1) for share in PERCENTILES}
