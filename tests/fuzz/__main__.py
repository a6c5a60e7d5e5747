"""A long run over every target: `make fuzz` writes docs/fuzz.md.

Each target runs in a process of its own under atheris (libFuzzer, guided by the coverage of our modules and of the
parsers of aiortc and aioice), then in a second one without instrumentation, in which what was found interesting is run
again: there an input's time is measured, by the processor's clock, and whether memory grows.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.provenance import provenance

BUILD = Path("build/fuzz")
INSTRUMENTED = ["gateway", "aiortc.sdp", "aiortc.rtp", "aioice.stun", "aioice.candidate"]
HANG_S = 10  # of an instrumented input on a busy machine; the target of 50 ms is measured afterwards
TARGET_MS = 50.0
GROWTH_MAX_KIB = 4096  # what the allocator keeps; a leak of 200 bytes an input is as much
WARM_UP = 2_000  # inputs, after which caches and the allocator have what they need
REPLAYED = 10_000  # inputs between two looks at the memory
REPLAY_MAX_S = 15.0
HEAD = """# Fuzzing

By `make fuzz`: every place where bytes of others are first read, under atheris {atheris} (libFuzzer, guided by
coverage), from the seeds in `tests/corpus`. {of.date}, commit {of.commit}, {of.machine}, {of.cores} shared cores.

A target may raise nothing but the error that its module promises, must keep what it promises to bound, and may take
{target:.0f} ms of processor time for an input. The time, and the growth of memory over up to {replayed:,} further
inputs, are measured without instrumentation on all inputs that reached something new. A short run of the same targets
is part of `make test`; what was found is mended and kept in `tests/corpus/fuzz`.

| target | inputs | reached (features) | inputs that reached something new | slowest, ms | growth, KiB | findings |
| --- | --- | --- | --- | --- | --- | --- |
"""
TAIL = "\n{inputs:,} inputs in {minutes:.0f} minutes; {findings} findings.\n"


def fuzz_one(name: str, inputs: int, directory: Path) -> None:
    """Run one target under atheris; ends the process."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS
    (target,) = [one for one in TARGETS if one.name == name]
    seeds, found = directory / "seeds", directory / "found"
    for folder in (seeds, found):
        folder.mkdir(parents=True, exist_ok=True)
    for index, seed in enumerate(target.corpus()):
        (seeds / f"{index:03}").write_bytes(seed)
    options = [
        f"-runs={inputs}",
        f"-max_len={target.max_bytes}",
        f"-timeout={HANG_S}",
        f"-artifact_prefix={directory}/",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], str(found), str(seeds), *options], target.run)
    atheris.Fuzz()


def replay(name: str, directory: Path) -> dict[str, Any]:
    """Time and memory without instrumentation."""
    from tests.fuzz.targets import TARGETS

    (target,) = [one for one in TARGETS if one.name == name]
    inputs = [path.read_bytes() for folder in ("seeds", "found") for path in sorted((directory / folder).iterdir())]
    slowest_ms = 0.0
    for data in inputs:
        took_ms = min(_took_ms(target.run, data) for _ in range(2))
        if took_ms > TARGET_MS / 2:  # a collection of garbage, or the first of its kind
            took_ms = min(_took_ms(target.run, data) for _ in range(5))
        slowest_ms = max(slowest_ms, took_ms)
    for data in itertools.islice(itertools.cycle(inputs), WARM_UP):
        target.run(data)
    gc.collect()
    before, begun_s, count = _memory_kib(), time.monotonic(), 0
    for data in itertools.islice(itertools.cycle(inputs), REPLAYED):
        target.run(data)
        count += 1
        if time.monotonic() - begun_s > REPLAY_MAX_S:
            break
    gc.collect()
    return {"slowest_ms": slowest_ms, "growth_kib": _memory_kib() - before, "replayed": count, "kept": len(inputs)}


def _took_ms(run: Any, data: bytes) -> float:
    begun_s = time.thread_time()
    run(data)
    return (time.thread_time() - begun_s) * 1000


def _memory_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def run_target(name: str, inputs: int) -> dict[str, Any]:
    """Both processes of a target; what they found."""
    directory = BUILD / name
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "log"
    command = [sys.executable, "-m", "tests.fuzz"]
    with log.open("w") as file:
        fuzzing = subprocess.run([*command, "--one", name, "--inputs", str(inputs)], stdout=file, stderr=file)
    text = log.read_text(errors="replace")
    executed = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    features = re.findall(r" ft: (\d+)", text)
    found: dict[str, Any] = {
        "target": name,
        "inputs": int(executed[-1]) if executed else 0,
        "features": int(features[-1]) if features else 0,
        "findings": [str(path) for path in sorted(directory.glob("*-*")) if path.is_file()],
    }
    if fuzzing.returncode != 0 and not found["findings"]:
        found["findings"] = [f"exit code {fuzzing.returncode}: {log}"]
    replaying = subprocess.run([*command, "--replay", name], stdout=subprocess.PIPE, text=True)
    if replaying.returncode:
        found["findings"].append(f"replay: exit code {replaying.returncode}")
        return {**found, "slowest_ms": 0.0, "growth_kib": 0, "kept": 0}
    return {**found, **json.loads(replaying.stdout.splitlines()[-1])}


def main() -> int:
    """Run, and write the report; 1 when something was found, took too long, or grew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--only", nargs="*", help="names of targets")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--one", help="be the fuzzer of this target")
    parser.add_argument("--replay", help="measure this target")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.one:
        fuzz_one(options.one, options.inputs, BUILD / options.one)
    if options.replay:
        print(json.dumps(replay(options.replay, BUILD / options.replay)))
        return 0
    from tests.fuzz.targets import TARGETS

    targets = [one for one in TARGETS if not options.only or one.name in options.only]
    shares = sum(one.share for one in targets)
    begun_s = time.monotonic()
    results = []
    for target in targets:
        results.append(run_target(target.name, -(-options.inputs * target.share // shares)))
        print(results[-1], flush=True)
    findings = sum(len(one["findings"]) for one in results)
    rows = [
        f"| {one['target']} | {one['inputs']:,} | {one['features']:,} | {one['kept']:,} | {one['slowest_ms']:.1f} "
        f"| {one['growth_kib']:,} | {len(one['findings'])} |\n"
        for one in results
    ]
    inputs = sum(one["inputs"] for one in results)
    tail = TAIL.format(inputs=inputs, minutes=(time.monotonic() - begun_s) / 60, findings=findings)
    print("".join(rows) + tail)
    if options.report:
        options.report.write_text(_head() + "".join(rows) + tail, encoding="utf-8")
    slow = any(one["slowest_ms"] > TARGET_MS for one in results)
    grows = any(one["growth_kib"] > GROWTH_MAX_KIB for one in results)
    return int(bool(findings) or slow or grows or inputs < options.inputs)


def _head() -> str:
    from importlib.metadata import version

    return HEAD.format(
        atheris=version("atheris"),
        of=provenance(),
        target=TARGET_MS,
        replayed=REPLAYED,
    )


if __name__ == "__main__":
    sys.exit(main())
