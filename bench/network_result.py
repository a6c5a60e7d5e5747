"""What is measured of one call: what was said against what the model was given, and what the gateway counted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from pystoi import stoi

from tests.browser.conftest import CORPUS
from tests.measure.sound import Samples, aligned, find, read_wav

RATE_HZ = 16_000
LOUD = 0.01  # of full scale: the sentence, and not the noise of the coder
STEP_S = 0.01
FOUND = 0.8  # likeness from which the place is the right one
QUIET_S = 2.0  # no pause within the sentence is so long
MESSAGE_S = 0.04
SHARES = ("received", "retransmitted", "fec", "red", "concealed", "silent", "pause")


class Said(NamedTuple):
    """10 ms of the microphone that are loud."""

    at_s: float  # since 1970
    level: float


@dataclass
class Result:
    """What was measured in one row; None is what was not."""

    row: str
    who: str
    failed: str = ""  # why there is nothing
    attempts: int = 1
    relay_late_ms: float = 0.0  # at most, in the attempt that counts
    joins_s: list[float] = field(default_factory=list)
    length: float | None = None  # of what the model heard, as a share of the time that passed, without told pauses
    likeness: list[float] = field(default_factory=list)
    stoi: list[float] = field(default_factory=list)
    mouth_to_model_ms: list[float] = field(default_factory=list)  # one a sentence
    shares: dict[str, float] = field(default_factory=dict)  # of the line, in percent
    guessed_of_speech: float | None = None  # concealed and silent, as a share of the time in which was spoken
    delay_p50_ms: float | None = None
    delay_p95_ms: float | None = None
    voice_concealed: float | None = None
    freeze_s: float | None = None
    again_s: float | None = None


def sentence() -> Samples:
    """What is said."""
    return read_wav(CORPUS / "speech/question.wav", RATE_HZ)


def metric(text: str, name: str) -> dict[str, float]:
    """The samples of a metric by its label's value."""
    found = re.findall(rf'(?m)^{name}(?:{{\w+="([^"]*)"}})? (\S+)$', text)
    return {label: float(value) for label, value in found}


def quantile_ms(buckets: dict[str, float], share: float) -> float:
    """Of a histogram, by linear interpolation."""
    edges = sorted((float(edge), count) for edge, count in buckets.items())
    wanted = share * edges[-1][1]
    before_s, before = 0.0, 0.0
    for edge_s, count in edges:
        if count >= wanted:
            if edge_s == float("inf"):
                break
            return (before_s + (edge_s - before_s) * (wanted - before) / max(1.0, count - before)) * 1000
        before_s, before = edge_s, count
    return before_s * 1000


async def read_metrics(url: str, result: Result) -> None:
    """What the gateway itself counted."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}metrics") as response:
        text = await response.text()
    shares = metric(text, "gateway_uplink_ms_total")
    total = sum(shares.values()) or 1.0
    result.shares = {how: 100 * shares.get(how, 0.0) / total for how in SHARES}
    buckets = metric(text, "gateway_uplink_delay_seconds_bucket")
    result.delay_p50_ms, result.delay_p95_ms = quantile_ms(buckets, 0.5), quantile_ms(buckets, 0.95)


@dataclass
class Recording:
    """What the model was given."""

    line: Samples
    heard_s: list[float]  # when each message of sound came
    seen_s: list[float]  # when each picture came
    pauses_s: float  # that were told, in all
    clock_s: float | None  # since 1970, at 0; None when that is not known


def read(directory: Path) -> Recording:
    """The recording of the simulator, or of a bridge."""
    heard, seen, paused_s, pauses_s = [], [], None, 0.0
    for line in (directory / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        at_s, given = message["at_s"], message["message"].get("realtimeInput", {})
        if "audioStreamEnd" in given:
            paused_s = at_s
        if "audio" in given:
            pauses_s += at_s - paused_s if paused_s is not None and heard else 0.0
            paused_s = None
            heard.append(at_s)
        if "video" in given:
            seen.append(at_s)
    first = directory / "frame-0001.jpg"
    clock_s = None
    if first.exists():  # it was written when its message came
        clock_s = first.stat().st_mtime - seen[0]
    return Recording(read_wav(directory / "audio.wav", RATE_HZ), heard, seen, pauses_s, clock_s)


def measure(
    result: Result, directory: Path, said: list[Said], *, times: int, window_s: float, lost_s: float, is_event: bool
) -> None:
    """Compare what was said with what was heard. `lost_s` is how long there was no way at all."""
    recording = read(directory)
    line, heard_s = recording.line, recording.heard_s
    if len(heard_s) < 2:
        raise ValueError("the model heard nothing")
    lasted_s = heard_s[-1] - heard_s[0] + MESSAGE_S - recording.pauses_s
    result.length = line.size / RATE_HZ / lasted_s
    if is_event:
        result.again_s = longest_silence_s(recording) - lost_s
        return
    if len(recording.seen_s) > 1:
        result.freeze_s = max(after - before for before, after in pairwise(recording.seen_s))
    compare(result, recording, beginnings(said), times, window_s)
    if result.shares and said:
        spoken = len(said) * STEP_S / lasted_s
        result.guessed_of_speech = (result.shares["concealed"] + result.shares["silent"]) / 100 / spoken


def compare(result: Result, recording: Recording, begun_s: list[float], times: int, window_s: float) -> None:
    """Each time the sentence was said."""
    wanted, line, passed = sentence(), recording.line, 0
    lead = int(np.argmax(np.abs(wanted) > 2 * LOUD))
    for index in range(times):
        rest = line[passed : passed + int(window_s * RATE_HZ) + wanted.size]
        if rest.size < wanted.size:
            break
        found = find(wanted, rest, RATE_HZ)
        result.likeness.append(found.correlation)
        result.stoi.append(float(stoi(wanted, aligned(wanted, rest, RATE_HZ), RATE_HZ, extended=False)))
        begin = passed + int(found.offset_s * RATE_HZ)
        is_found = found.correlation > FOUND
        if is_found and recording.clock_s is not None and index < len(begun_s):
            share = (begin + lead) / line.size
            came_s = recording.heard_s[min(len(recording.heard_s) - 1, int(share * len(recording.heard_s)))]
            result.mouth_to_model_ms.append((recording.clock_s + came_s - begun_s[index]) * 1000)
        passed = begin + wanted.size


def beginnings(said: list[Said]) -> list[float]:
    """When each sentence began."""
    return [one.at_s for before, one in pairwise([Said(0.0, 0.0), *said]) if one.at_s - before.at_s > QUIET_S]


def longest_silence_s(recording: Recording) -> float:
    """The longest time without speech for the model."""
    blocks = np.array_split(recording.line, len(recording.heard_s))
    loud = [at_s for at_s, block in zip(recording.heard_s, blocks, strict=True) if is_loud(block)]
    return max(after - before for before, after in pairwise(loud))


def is_loud(block: Samples) -> bool:
    """Whether somebody speaks in it."""
    return bool(np.sqrt(np.mean(block**2)) > LOUD)


def mean(values: list[float]) -> float | None:
    """None of nothing."""
    return sum(values) / len(values) if values else None


def facts_of(rows: list[dict[str, Any]], row: str, who: str = "gateway") -> dict[str, Any] | None:
    """One row of a report."""
    return next((one for one in rows if (one["row"], one["who"]) == (row, who) and not one["failed"]), None)
