"""The loopback page in a real Chromium: it passes where all is well, and fails for the right reason where it is not.

What is judged here does not depend on how fast the machine is. All breakages: `make test-qa` (tests/qa).
"""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gateway.media.aiortc_internals import host_addresses
from tests.browser.loopback import SCHEMA, black_camera, budgets, check_report, qa, silent_microphone
from tests.programs import environment, require

pytestmark = pytest.mark.browser

WELL = (
    "environment",
    "connectivity",
    "microphone",
    "camera",
    "gateway_view",
    "voice",
    "round_trip",
    "frame_age",
    "drill_peer",
    "drill_kill_link",
    "limits",
)
PATIENCE_S = 300


def test_gateway_qa_runs_the_page_and_says_that_all_is_well(tmp_path: Path) -> None:
    """As a program: exit code 0, a line a check, a report by the schema, JUnit; the report tells no address and no
    id of a device."""
    require("chromium", "apt-get install chromium")
    report, junit, markdown = (tmp_path / name for name in ("report.json", "junit.xml", "summary.md"))
    command = [sys.executable, "-m", "gateway", "qa", "--length", "short", "--checks", ",".join(WELL)]
    command += ["--budgets", str(budgets(tmp_path / "budgets.json")), "--report", str(report)]
    command += ["--junit", str(junit), "--markdown", str(markdown)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment())
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    check_report(found)
    assert [check["id"] for check in found["checks"]] == list(WELL)
    assert {check["verdict"] for check in found["checks"]} == {"PASS"}, run.stdout
    assert run.stdout.count("PASS  ") == len(WELL)
    assert found["samples"]
    assert found["descriptions"]
    text = report.read_text(encoding="utf-8")
    assert not [secret for secret in (*host_addresses(), "deviceId", "groupId") if secret in text]
    suite = ElementTree.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == (str(len(WELL)), "0")
    assert markdown.read_text(encoding="utf-8").startswith("# Loopback: PASS")


async def test_a_muted_microphone_and_a_covered_camera_fail(tmp_path: Path) -> None:
    """On the device and at the gateway, each with its own reason, and the exit code is 1."""
    devices = (silent_microphone(tmp_path), black_camera(tmp_path))
    options = {"chromium_arguments": devices, "budgets": budgets(tmp_path / "b.json", camera__black_percent=33)}
    outcome = await qa(tmp_path, "microphone", "camera", "gateway_view", options=options)
    assert outcome.code == 1
    assert (outcome.verdict("microphone"), outcome.verdict("camera")) == ("FAIL", "FAIL")
    assert "microphone is silent" in outcome.reason("microphone")
    assert "Black pictures make up 100 %" in outcome.reason("camera")
    assert outcome.verdict("gateway_view") == "FAIL"
    assert "the gateway hears silence" in outcome.reason("gateway_view").lower()
    assert outcome.numbers("gateway_view")["frame_is_black"] is True


async def test_a_fifth_of_all_packets_lost_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The gateway's view says so, with the share; against a run where all was well it is marked as worse."""
    limits = budgets(tmp_path / "b.json", gateway_view__loss_percent=10)
    check = {"id": "gateway_view", "verdict": "PASS", "numbers": {"loss_percent": 0}}
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps({"schema": SCHEMA["properties"]["schema"]["const"], "checks": [check]}))
    options = {"network": "loss_percent=20", "budgets": limits, "against": earlier}
    outcome = await qa(tmp_path, "gateway_view", options=options)
    said = capsys.readouterr().out
    assert "worse    gateway_view: was PASS" in said
    assert "worse    gateway_view.loss_percent: 0 → " in said
    assert outcome.code == 1
    assert outcome.verdict("gateway_view") == "FAIL"
    assert "lost on the way up are" in outcome.reason("gateway_view")
    assert outcome.numbers("gateway_view")["audio_ms"] > 1000
