"""What one connection heard, saw and was told, on disk for people and for tests in another process.

Owns the files of one connection: `audio.wav` (16 kHz mono), `frame-0001.jpg` and on, `messages.jsonl` (each message
of both sides with the second it came, media replaced by their length). It must not know what the messages mean.
**Invariant: when it is closed every file is complete.**
"""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any


class Recorder:
    """Writes into a directory that it makes."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._frames = 0
        self._messages = (directory / "messages.jsonl").open("w", encoding="utf-8")
        self._audio = wave.open(str(directory / "audio.wav"), "wb")  # noqa: SIM115
        self._audio.setnchannels(1)
        self._audio.setsampwidth(2)
        self._audio.setframerate(16_000)

    def audio(self, pcm: bytes) -> None:
        """16 kHz mono s16le that was heard."""
        self._audio.writeframes(pcm)

    def frame(self, jpeg: bytes) -> None:
        """A frame that was seen."""
        self._frames += 1
        (self._directory / f"frame-{self._frames:04}.jpg").write_bytes(jpeg)

    def message(self, at_s: float, sender: str, raw: str | bytes) -> None:
        """A message of the `client` or the `server`, `at_s` seconds after the connection was opened.

        What is not JSON is refused and not recorded.
        """
        try:
            message = json.loads(raw)
        except ValueError:
            return
        line = {"at_s": round(at_s, 4), "from": sender, "message": _without_data(message)}
        self._messages.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Complete the files."""
        self._audio.close()
        self._messages.close()


def _without_data(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_data(item) for item in value]
    if isinstance(value, dict):
        return {
            name: f"<{len(inner)} characters>" if name == "data" and isinstance(inner, str) else _without_data(inner)
            for name, inner in value.items()
        }
    return value
