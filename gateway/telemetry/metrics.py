"""What is counted and measured, in Prometheus's terms.

Owns the metrics and their names. It must not know who counts.
**Invariant: every label has a small, fixed set of values; no id of a session or a person is one.**
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

ProcessCollector(registry=REGISTRY)  # process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds …
BUILD = Gauge(
    "gateway_build_info",
    "The version that runs; always 1.",
    ["version"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
READY = Gauge(
    "gateway_ready",
    "1 while new sessions are taken by this gateway, or by one of its workers.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
LOOP_LAG_S = Histogram(
    "gateway_event_loop_lag_seconds",
    "How late the event loop woke up.",
    buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
    registry=REGISTRY,
)
RELAY_UP = Gauge(
    "gateway_turn_up",
    "1 while the TURN server answers.",
    ["server"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
REFUSED = Counter("gateway_requests_refused", "Requests that got a problem, by its code.", ["code"], registry=REGISTRY)
SESSIONS_MAX = Gauge(
    "gateway_sessions_max", "Sessions there is a place for.", multiprocess_mode="livesum", registry=REGISTRY
)
LIMITS_REACHED = Counter(
    "gateway_limits_reached", "What was more than is allowed, by the code of the limit.", ["limit"], registry=REGISTRY
)
LOAD = Gauge(
    "gateway_load",
    "How busy the process is, as `guard.admission` sees it.",
    ["measure"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
LOAD_SHARE = Gauge(
    "gateway_load_share",
    "The same as a share of what is bearable: at 1 no new calls are taken.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
LOAD_LEVEL = Gauge(
    "gateway_load_level",
    "What is shed: 0 nothing, 1 some video, 2 all video, 3 new calls too.",
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
SESSIONS = Gauge("gateway_sessions", "Sessions at the moment.", multiprocess_mode="livesum", registry=REGISTRY)
SESSIONS_ENDED = Counter("gateway_sessions_ended", "Sessions that ended.", ["reason"], registry=REGISTRY)
SESSIONS_TAKEN_OVER = Counter(
    "gateway_sessions_taken_over", "Sessions that went on here after another process had them.", registry=REGISTRY
)
LEASES_LAPSED = Counter(
    "gateway_leases_lapsed",
    "How often this node may have been taken for dead, and let all sessions go.",
    registry=REGISTRY,
)
LINKS_OPENED = Counter("gateway_links_opened", "Connections to the model.", ["how"], registry=REGISTRY)
LINKS_ENDED = Counter("gateway_links_ended", "Connections that ended unasked.", ["code"], registry=REGISTRY)
LINKS_CHANGED = Counter(
    "gateway_links_changed", "Connections that were changed on purpose.", ["why"], registry=REGISTRY
)
ALARMS = Counter(
    "gateway_watchdog_alarms", "Answers that did not come, and what was done.", ["trouble", "remedy"], registry=REGISTRY
)
AUDIO_DROPPED_MS = Counter(
    "gateway_uplink_audio_dropped_ms", "Sound too old to be sent to the model.", registry=REGISTRY
)
AUDIO_WAIT_S = Histogram(
    "gateway_uplink_audio_wait_seconds",
    "How long sound waited for the connection to the model.",
    buckets=(0.005, 0.02, 0.1, 0.3, 1.0, 3.0),
    registry=REGISTRY,
)
UPLINK_MS = Counter("gateway_uplink_ms", "Sound of the microphones, by how it was got.", ["how"], registry=REGISTRY)
UPLINK_DELAY_S = Histogram(
    "gateway_uplink_delay_seconds",
    "From the earliest that a piece of sound could have arrived until it was handed on; of every fifth piece.",
    buckets=(0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12, 0.14, 0.16, 0.2, 0.25, 0.3),
    registry=REGISTRY,
)
PACKETS = Counter(
    "gateway_rtp_packets",
    "Packets that should have come, by stream: microphone, camera, voice.",
    ["of"],
    registry=REGISTRY,
)
PACKETS_LOST = Counter(
    "gateway_rtp_packets_lost",
    "Packets of them that did not come at once, before any repair.",
    ["of"],
    registry=REGISTRY,
)
RTT_S = Histogram(
    "gateway_rtt_seconds",
    "Round trips to the browsers, one for each report.",
    buckets=(0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0),
    registry=REGISTRY,
)
UNDERRUNS = Counter(
    "gateway_playout_underruns", "The model's voice ran dry in the middle of an answer.", registry=REGISTRY
)
DATAGRAMS_DROPPED = Counter(
    "gateway_udp_dropped", "Datagrams that were turned away, by why.", ["why"], registry=REGISTRY
)
MESSAGES_REFUSED = Counter(
    "gateway_messages_refused", "Messages of clients that were turned away.", ["carrier", "why"], registry=REGISTRY
)
FRAMES = Counter(
    "gateway_uplink_frames", "Frames that went to the model, or failed on the way.", ["result"], registry=REGISTRY
)
FRAMES_REPLACED = Counter(
    "gateway_uplink_frames_replaced", "Frames that a newer one replaced unsent.", registry=REGISTRY
)
TTFAB_S = Histogram(
    "gateway_ttfab_seconds",
    "From the end of the person's speech to the first audio.",
    ["trigger", "to", "fps"],
    buckets=(0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0),
    registry=REGISTRY,
)
TOOL_CALLS = Counter("gateway_tool_calls", "Functions the model called.", ["outcome"], registry=REGISTRY)
TOOL_S = Histogram(
    "gateway_tool_seconds",
    "How long a called function took.",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 8.0),
    registry=REGISTRY,
)
TOKENS = Counter("gateway_model_tokens", "Tokens the model counted.", ["kind"], registry=REGISTRY)
SUMMARIES = Counter("gateway_summaries", "Summaries of conversations.", ["by"], registry=REGISTRY)


def exposition() -> bytes:
    """All metrics as Prometheus reads them; those of several workers as one sum."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    summed = CollectorRegistry()
    MultiProcessCollector(summed)  # type: ignore[no-untyped-call]
    summed.register(_Workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
    return generate_latest(summed)


class _Workers(Collector):
    """Processor, memory and files of all workers together, which `MultiProcessCollector` leaves out."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[Metric]:
        """The sums; the start is that of the oldest."""
        values: dict[str, list[float]] = {}
        metrics: dict[str, Metric] = {}
        for file in self._directory.glob("gauge_livesum_*.db"):  # those of workers that died are removed
            pid = int(file.stem.rpartition("_")[2])
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                metrics[metric.name] = metric
                values.setdefault(metric.name, []).extend(sample.value for sample in metric.samples)
        for name, metric in metrics.items():
            of_all = min(values[name]) if name == "process_start_time_seconds" else sum(values[name])
            metric.samples = [metric.samples[0]._replace(value=of_all)]
            yield metric


def fps_label(fps: float) -> str:
    """A label for how many frames a second go to the model: `0`, `1`, `2` or `3+`."""
    rounded = round(fps)
    return "3+" if rounded >= 3 else str(rounded)


def close_code_label(code: int | None, http_status: int | None) -> str:
    """A label for the end of a link: close codes that occur, classes for the rest."""
    if http_status is not None:
        return f"http_{http_status // 100}xx"
    if code is None:
        return "lost"
    return str(code) if code in (1000, 1001, 1006, 1007, 1008, 1009, 1011, 1012, 1013) else "other"
