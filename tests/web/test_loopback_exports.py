"""What leaves the loopback page, read by programs that others wrote."""

import csv
import io
import json
import shutil
import subprocess
import wave
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.programs import require

EXPORTS = Path(__file__).parents[2] / "web/js/loopback/exports.js"
ODD = 'a "quoted" <b> & c | d, with\na line and \x00 control \ud83d\ude00 and €'
REPORT: dict[str, Any] = {
    "verdict": "FAIL",
    "counts": {"PASS": 1, "WARN": 0, "FAIL": 1, "SKIP": 1},
    "created": "2026-11-25T10:00:00Z",
    "duration_s": 12.5,
    "gateway": {"version": "1", "upstream": "simulator", "model": "m", "settings_hash": "abc"},
    "page": {"version": "1", "user_agent": "UA | pipe"},
    "settings": {"mode": "simulator", "network": {"name": "train"}},
    "checks": [
        {"id": "a", "title": "A", "verdict": "PASS", "reason": "Fine.", "numbers": {}, "log": [], "duration_s": 1},
        {
            "id": "b",
            "title": ODD,
            "verdict": "FAIL",
            "reason": ODD,
            "numbers": {"ms": 3},
            "log": [ODD],
            "duration_s": 2,
        },
        {"id": "c", "title": "C", "verdict": "SKIP", "reason": "No.", "numbers": {}, "log": [], "duration_s": 0},
    ],
}


def run(script: str, given: Any = None) -> bytes:
    """What a script writes; it has the exports as `e` and the given value as `given`."""
    require("node", "apt-get install nodejs")
    source = f"import * as e from {json.dumps(EXPORTS.as_uri())}; const given = {json.dumps(given)}; {script}"
    node = shutil.which("node") or "node"
    return subprocess.run(
        [node, "--input-type=module", "-e", source], capture_output=True, timeout=60, check=True
    ).stdout


def test_junit_is_xml_that_tells_failures_and_what_was_left_out() -> None:
    """Whatever the words contain."""
    suite = ElementTree.fromstring(run("process.stdout.write(e.junit(given))", REPORT))
    assert (suite.tag, suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("testsuite", "3", "1", "1")
    cases = {case.get("name"): case for case in suite}
    failure = cases["b"].find("failure")
    assert failure is not None
    assert 'a "quoted" <b> & c' in str(failure.get("message"))
    assert cases["a"].find("failure") is None
    assert cases["c"].find("skipped") is not None


def test_csv_has_a_line_a_row() -> None:
    """Also with commas, quotes and line ends in it; no rows are no text."""
    rows = [{"ms": 1.5, "words": 'a, "b"\nc', "none": None}, {"ms": 2, "words": "", "none": 0}]
    text = run("process.stdout.write(e.csv(given))", rows).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["ms", "words", "none"],
        ["1.5", 'a, "b"\nc', ""],
        ["2", "", "0"],
    ]
    assert run("process.stdout.write(e.csv([]))") == b""


def test_markdown_keeps_its_table_whole() -> None:
    """A cell with a bar or a line end stays a cell; the numbers of what failed follow."""
    text = run("process.stdout.write(e.markdown(given))", REPORT).decode()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 3
    assert all(line.replace("\\|", "").count("|") == 4 for line in rows)
    assert '"ms": 3' in text


def test_sounds_are_joined_with_silence_between() -> None:
    """In their order; nothing of them is lost."""
    script = "const all = e.joinedSounds([Float32Array.of(1, 1), Float32Array.of(0.5)], 3);"
    assert json.loads(run(f"{script} console.log(JSON.stringify([...all]))")) == [1, 1, 0, 0, 0, 0.5]
    assert json.loads(run("console.log(JSON.stringify([...e.joinedSounds([], 3)]))")) == []


def test_a_wav_can_be_read() -> None:
    """16 bit mono, what is too loud is bounded."""
    script = "process.stdout.write(e.wav(Float32Array.from([0, 0.5, -0.5, 1, -1, 2, -2]), 48000))"
    with wave.open(io.BytesIO(run(script))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    assert samples.tolist() == [0, 16384, -16383, 32767, -32767, 32767, -32767]


@pytest.mark.parametrize("count", [0, 3])
def test_a_zip_can_be_unpacked(count: int) -> None:
    """Every file is whole, with its name."""
    files = [{"name": f"bild-ä-{index}.jpg", "bytes": list(range(index * 50))} for index in range(count)]
    script = """
      const files = given.map(({ name, bytes }) => ({ name, data: Uint8Array.from(bytes) }));
      process.stdout.write(e.zip(files));
    """
    with zipfile.ZipFile(io.BytesIO(run(script, files))) as archive:
        assert archive.testzip() is None
        assert {name: list(archive.read(name)) for name in archive.namelist()} == {
            file["name"]: file["bytes"] for file in files
        }
