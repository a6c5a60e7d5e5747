"""The metrics."""

import os
import subprocess
import sys
from pathlib import Path

from gateway.telemetry import metrics


def test_labels_have_few_values() -> None:
    """Whatever comes from outside is put into one of a handful."""
    assert {metrics.fps_label(fps) for fps in (0.0, 0.4, 0.6, 1.2, 2.4, 2.6, 29.9)} == {"0", "1", "2", "3+"}
    codes = [metrics.close_code_label(code, None) for code in (None, *range(900, 5000))]
    assert len(set(codes)) == 11
    assert metrics.close_code_label(None, 503) == "http_5xx"


def test_the_exposition_tells_of_the_process() -> None:
    """Processor, memory and files, as every dashboard expects them."""
    text = metrics.exposition().decode()
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds"):
        assert f"\n{name} " in text


def test_what_several_workers_take_is_summed(tmp_path: Path) -> None:
    """Of those that live; the gateway has run as long as the oldest of them."""
    waits = [sys.executable, "-uc", "import sys; print(); sys.stdin.read()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()  # a process that has only just begun has no memory yet
        for pid in (os.getpid(), worker.pid):
            (tmp_path / f"gauge_livesum_{pid}.db").touch()
        both = {metric.name: metric.samples[0].value for metric in metrics._Workers(tmp_path).collect()}
        (tmp_path / f"gauge_livesum_{worker.pid}.db").unlink()
        alone = {metric.name: metric.samples[0].value for metric in metrics._Workers(tmp_path).collect()}
        worker.communicate()
    assert both["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"]
    assert both["process_max_fds"] == 2 * alone["process_max_fds"]
    assert both["process_start_time_seconds"] == alone["process_start_time_seconds"]
