"""What is measured, and what is made of it.

Owns the scenarios with their targets, and the arithmetic from counts to figures. It must not know processes or clocks.
**Invariant: a figure is of the window alone: what came before or after it does not count.**
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from bench.capacity.recording import PACKET_MS, PictureFormat

CADENCE_MAX_MS = 80.0  # two messages of 40 ms: the model's detector of speech does not notice less
PCM_BYTES_PER_S = 32_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of call."""

    name: str
    words: str
    picture: PictureFormat | None
    target_percent: float  # of one processor, a call
    target_memory_mb: float  # a further call
    settings: dict[str, str] = field(default_factory=dict)  # of the gateway, beside its usual ones
    others: str = ""  # the scenario of which the others do the same work, where it is not this one

    @property
    def packet_ms(self) -> int:
        """How much sound callers send in each packet: as much as they are asked to."""
        return int(self.settings.get(PACKET_TIME, PACKET_MS))


SMALL = PictureFormat("vp8", 512, 384, 3, 250_000)
MEDIUM = PictureFormat("vp8", 640, 480, 30, 1_000_000)
LARGE = PictureFormat("vp8", 1280, 720, 30, 2_000_000)
KEY_FRAMES = {"GATEWAY_VIDEO_KEY_FRAMES": "1"}
PACKET_TIME = "GATEWAY_AUDIO_PACKET_MS"
FEW_PICTURES = {"GATEWAY_VIDEO_FPS_MAX": "1"}  # to the model


def _on_demand(camera: PictureFormat) -> PictureFormat:
    """One that has a different key frame for each of five requests in a row."""
    return replace(camera, key_every_s=2)


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("audio", "sound alone", None, 1.1, 2.0),
        Scenario("page", "our page: 512×384, 3 fps, VP8", SMALL, 2.0, 8.0),
        Scenario("page-1fps", "our page, a picture a second to the model", SMALL, 2.0, 8.0, FEW_PICTURES, "page"),
        Scenario("page-40ms", "our page, 40 ms of sound in a packet", SMALL, 2.0, 8.0, {PACKET_TIME: "40"}),
        Scenario("480p", "another sender: 640×480, 30 fps, VP8", MEDIUM, 4.5, 8.0),
        Scenario("720p", "another sender: 1280×720, 30 fps, VP8", LARGE, 8.0, 8.0),
        Scenario("720p-h264", "the same, H.264", replace(LARGE, codec="h264"), 8.0, 8.0),
        Scenario("480p-keys", "640×480, key frames on demand", _on_demand(MEDIUM), 4.5, 8.0, KEY_FRAMES),
        Scenario("720p-keys", "1280×720, VP8, key frames on demand", _on_demand(LARGE), 8.0, 8.0, KEY_FRAMES),
    )
}


@dataclass(frozen=True, slots=True)
class Cadence:
    """How steadily the sound of all calls came."""

    p50_ms: float
    p99_ms: float
    most_ms: float
    share: float  # of the sound that should have come in the window, of the call that has least

    @property
    def is_whole(self) -> bool:
        """Whether nobody's sound stuttered or was missing."""
        return self.p99_ms <= CADENCE_MAX_MS and self.share >= 0.99


def cadence(arrivals: Sequence[Sequence[tuple[float, int]]], begun_s: float, ended_s: float) -> Cadence:
    """Of the messages, (when, bytes of PCM) each, of each call; one that fell silent is a gap until the end."""
    gaps_ms: list[float] = []
    shares: list[float] = []
    for call in arrivals:
        within = [(at_s, size) for at_s, size in call if begun_s <= at_s <= ended_s]
        times = [begun_s, *(at_s for at_s, _ in within), ended_s] if len(within) < 2 else [at_s for at_s, _ in within]
        gaps_ms += [(later - earlier) * 1000 for earlier, later in pairwise(times)]
        shares.append(sum(size for _, size in within) / PCM_BYTES_PER_S / (ended_s - begun_s))
    p50, p99 = np.percentile(gaps_ms, [50, 99])
    return Cadence(float(p50), float(p99), max(gaps_ms), min(shares))


def rate(times: Sequence[Sequence[float]], begun_s: float, ended_s: float) -> float:
    """How often something happened, a second and call."""
    count = sum(begun_s <= at_s <= ended_s for call in times for at_s in call)
    return count / (ended_s - begun_s) / max(1, len(times))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """What one more on the first axis adds on the second, by least squares."""
    x, y = np.array(points, dtype=float).T
    return float(np.polyfit(x, y, 1)[0])


def quantile(edges: Sequence[tuple[float, float]], share: float) -> float:
    """The edge of a Prometheus histogram (upper edge, cumulative count) below which this share lies."""
    ordered = sorted(edges)
    wanted = share * ordered[-1][1]
    return next(edge for edge, count in ordered if count >= wanted)
