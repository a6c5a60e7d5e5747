"""The loopback page by itself, with a gateway that is as well or as broken as a test wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from PIL import Image
from scipy.io import wavfile

from gateway.qa.run import QaOptions, run_qa
from gateway.settings import Settings
from tests.programs import NEVER_BUSY, require

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/loopback-report.schema.json").read_text(encoding="utf-8"))
BUDGETS = json.loads((ROOT / "web/loopback-budgets.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Outcome:
    """What `gateway qa` came to."""

    code: int
    report: dict[str, Any]

    def verdict(self, check: str) -> str:
        """Of one check."""
        return str(self._of(check)["verdict"])

    def reason(self, check: str) -> str:
        """The sentence of one check."""
        return str(self._of(check)["reason"])

    def numbers(self, check: str) -> dict[str, Any]:
        """What one check measured."""
        return dict(self._of(check)["numbers"])

    def _of(self, check: str) -> dict[str, Any]:
        return dict(next(one for one in self.report["checks"] if one["id"] == check))


def check_report(report: dict[str, Any]) -> None:
    """Raise when a report is not what docs/loopback-report.schema.json says."""
    jsonschema.Draft202012Validator(SCHEMA).validate(report)


def budgets(path: Path, **limits: float | None) -> Path:
    """A file of budgets in which nothing is judged but these numbers (`round_trip__delay_ms=300` is what fails)."""
    given: dict[str, dict[str, float | None]] = {key: {"warn": None, "fail": None} for key in BUDGETS["budgets"]}
    for name, limit in limits.items():
        given[name.replace("__", ".")]["fail"] = limit
    path.write_text(json.dumps({"schema": BUDGETS["schema"], "budgets": given}), encoding="utf-8")
    return path


async def qa(directory: Path, *checks: str, options: dict[str, Any] | None = None, **settings: Any) -> Outcome:
    """Run these checks against a gateway with these settings."""
    require("chromium", "apt-get install chromium")
    report = directory / "report.json"
    asked = {"checks": ",".join(checks), "length": "short", "report": report, **(options or {})}
    code = await run_qa(QaOptions(**asked), Settings(**{**NEVER_BUSY, **settings}))
    found = json.loads(report.read_text(encoding="utf-8"))
    check_report(found)
    return Outcome(code, found)


def silent_microphone(directory: Path) -> str:
    """Chromium's argument for a microphone in which there is nothing."""
    path = directory / "silence.wav"
    wavfile.write(path, 48_000, np.zeros(48_000 * 5, dtype=np.int16))
    return f"--use-file-for-fake-audio-capture={path}"


def black_camera(directory: Path) -> str:
    """Chromium's argument for a camera whose lens is covered."""
    path = directory / "black.mjpeg"
    picture = directory / "black.jpg"
    Image.new("RGB", (640, 480)).save(picture, "JPEG")
    path.write_bytes(picture.read_bytes() * 20)
    return f"--use-file-for-fake-video-capture={path}"
