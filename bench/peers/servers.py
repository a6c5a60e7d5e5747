"""How the others are started, for `bench.capacity`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.capacity.measure import Server

ENVIRONMENTS = Path(__file__).parents[2] / "build/peers"
MODEL = {"MODEL_URL": "{model}"}


def _python(name: str) -> str:
    """The interpreter of an environment of its own."""
    path = ENVIRONMENTS / name / "bin/python"
    if not path.exists():
        raise SystemExit(f"{path} is missing: `make bench-capacity` installs it; `--peers naive` does without.")
    return str(path)


def naive() -> Server:
    """aiortc and websockets, in the project's own environment."""
    return Server("naive", ("bench.peers.naive",), settings=MODEL)


def pipecat() -> Server:
    """Pipecat: SmallWebRTCTransport and GeminiLiveLLMService."""
    python = _python("pipecat")
    command = ("bench.peers.pipecat_bridge",)
    return Server("pipecat", command, path="/api/offer", door="json", python=python, settings=MODEL)


def fastrtc() -> Server:
    """FastRTC: a Stream with a handler of sound and pictures, and google-genai."""
    python = _python("fastrtc")
    command = ("bench.peers.fastrtc_bridge",)
    return Server("fastrtc", command, path="/webrtc/offer", door="json", python=python, settings=MODEL)


PEERS: dict[str, Callable[[], Server]] = {"naive": naive, "pipecat": pipecat, "fastrtc": fastrtc}
