"""How the others are started, for `bench.capacity`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.capacity.measure import Server

ENVIRONMENTS = Path(__file__).parents[2] / "build/peers"
MODEL = {"MODEL_URL": "{model}"}


def naive() -> Server:
    """aiortc and websockets, in the project's own environment."""
    return Server("naive", ("bench.peers.naive",), settings=MODEL)


def pipecat() -> Server:
    """Pipecat: SmallWebRTCTransport and GeminiLiveLLMService."""
    return _elsewhere("pipecat", "/api/offer")


def fastrtc() -> Server:
    """FastRTC with google-genai, as its Gemini demo does it."""
    return _elsewhere("fastrtc", "/webrtc/offer")


def _elsewhere(name: str, path: str) -> Server:
    python = str(ENVIRONMENTS / name / "bin/python")
    return Server(name, (f"bench.peers.{name}_bridge",), path=path, door="json", python=python, settings=MODEL)


PEERS: dict[str, Callable[[], Server]] = {"naive": naive, "pipecat": pipecat, "fastrtc": fastrtc}
