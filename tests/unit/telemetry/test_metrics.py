"""The metrics."""

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
