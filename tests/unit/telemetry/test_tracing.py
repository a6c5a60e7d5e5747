"""Turns as spans."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway import events
from gateway.errors import ConfigError
from gateway.telemetry import tracing
from gateway.telemetry.tracing import TurnSpans


class Told:
    """Spans of these messages."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.spans = TurnSpans(self.provider.get_tracer("test"), "ab12-xyz")

    def tell(self, *messages: dict[str, Any]) -> None:
        """In this order."""
        for message in messages:
            self.spans.take(message["type"], message.get("data") or {})

    @property
    def ended(self) -> list[str]:
        """Names of the spans that have ended, in the order of their ends."""
        return [span.name for span in self.exporter.get_finished_spans()]

    def turn(self, index: int = 0) -> dict[str, Any]:
        """The attributes of a turn."""
        turns = [span for span in self.exporter.get_finished_spans() if span.name == "turn"]
        return dict(turns[index].attributes or {})


STARTED, STOPPED = events.message("user-started-speaking"), events.message("user-stopped-speaking")
SPEAKS, SILENT = events.message("bot-started-speaking"), events.message("bot-stopped-speaking")


def test_a_turn_is_a_span_with_what_happened_in_it() -> None:
    """Speech, function and answer inside; latency, tokens, frames and generation as attributes."""
    told = Told()
    call = {"function_name": "lookup", "tool_call_id": "c1"}
    told.tell(
        events.server_message("link", generation=2, how="resumed"),
        STARTED,
        events.server_message("frame", id=1),
        STOPPED,
        events.message("llm-function-call-started", call),
        events.message("llm-function-call-stopped", {**call, "cancelled": False}),
        events.server_message("ttfab", trigger="tool", to="packet", ms=812, video_fps=1.5),
        SPEAKS,
        events.server_message("usage", prompt_tokens=900, response_tokens=40, total_tokens=940),
        events.server_message("turn", number=3),
    )
    assert "turn" not in told.ended  # the answer is still being played
    told.tell(SILENT)
    assert told.ended == ["speech", "tool", "answer", "turn"]
    assert told.turn() == {
        "gateway.session": "ab12-xyz",
        "gateway.turn": 3,
        "gateway.ttfab_packet_ms": 812,
        "gateway.ttfab_trigger": "tool",
        "gateway.video_fps": 1.5,
        "gateway.prompt_tokens": 900,
        "gateway.response_tokens": 40,
        "gateway.frames": 1,
        "gateway.link_generation": 2,
    }
    spans = told.exporter.get_finished_spans()
    turn = spans[-1]
    assert {span.parent.span_id for span in spans[:-1] if span.parent} == {turn.context.span_id}


def test_an_interruption_ends_a_turn_and_begins_the_next() -> None:
    """What was spoken over is marked."""
    told = Told()
    told.tell(STARTED, STOPPED, SPEAKS, STARTED)
    assert told.turn()["gateway.interrupted"] is True
    told.tell(events.message("bot-interrupted", {"dropped_ms": 900}), SILENT, events.server_message("turn", number=1))
    assert len(told.ended) == 3  # that was still about the first one
    told.tell(STOPPED, SPEAKS, SILENT, events.server_message("turn", number=2))
    assert told.turn(1) == {
        "gateway.session": "ab12-xyz",
        "gateway.turn": 2,
        "gateway.frames": 0,
        "gateway.link_generation": 0,
    }


async def test_every_span_is_ended_when_the_session_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was going on."""
    told = Told()
    monkeypatch.setattr(tracing._State, "provider", told.provider)

    async def messages() -> Any:
        for message in (STARTED, SPEAKS, events.state("ended", "You ended the call.", code="user"), STARTED):
            yield message

    async with tracing.following("ab12-xyz", messages):
        pass
    assert sorted(told.ended) == ["answer", "speech", "turn"]


async def test_a_defect_of_tracing_ends_no_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells of it."""
    told = Told()
    monkeypatch.setattr(tracing._State, "provider", told.provider)

    async def messages() -> Any:
        yield STARTED
        yield {"no": "type"}

    async with tracing.following("ab12-xyz", messages):
        await asyncio.sleep(0)
    assert told.ended == ["speech", "turn"]
    assert "traced no further" in caplog.text


def test_what_is_known_before_the_first_part_is_kept() -> None:
    """A typed question has no speech: its latency is measured before the answer is heard."""
    told = Told()
    told.tell(events.server_message("ttfab", trigger="text", to="packet", ms=90, video_fps=0.0), SPEAKS, SILENT)
    told.tell(events.server_message("turn", number=1))
    assert told.ended == ["answer", "turn"]
    assert told.turn()["gateway.ttfab_packet_ms"] == 90


def test_no_word_is_in_a_span() -> None:
    """Neither of the person nor of the model, nor a function's arguments."""
    told = Told()
    told.tell(
        STARTED,
        events.user_transcription("my secret", final=True, timestamp="now"),
        events.bot_output("my secret", 1),
        events.message("llm-function-call-started", {"tool_call_id": "c", "arguments": {"serial": "my secret"}}),
        events.server_message("notice", code="link_lost", text="my secret", level="warning"),
    )
    told.spans.end()
    assert "my secret" not in "".join(span.to_json() for span in told.exporter.get_finished_spans())


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"gateway\[tracing\]"):
        tracing.configure("http://127.0.0.1:9/v1/traces")


def test_without_an_address_nothing_of_it_is_loaded() -> None:
    """A whole gateway that has started and ended again has neither its SDK nor its exporter."""
    program = """
import asyncio, sys
from gateway.app import serve
from gateway.settings import Settings

async def once():
    stop = asyncio.Event()
    await serve(Settings(port=0), lambda *_: stop.set(), stop, asyncio.Event())

asyncio.run(once())
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["[]"]), ended.stderr
