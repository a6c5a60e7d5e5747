"""Each turn of a conversation as a trace, for an OpenTelemetry collector; off unless an address is given.

Owns the spans: what of a session's events begins, ends and describes them. It must not know the session: it reads what
any browser could read, and no word that was spoken is in a span.
**Invariant: every span that was begun is ended; without an address nothing of OpenTelemetry is loaded.**
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger(__name__)

FLUSH_S = 3.0  # at the end of the process

Facts = Mapping[str, Any]


class _State:
    """What is configured in this process, as metrics are."""

    provider: TracerProvider | None = None


def configure(url: str) -> None:
    """Send traces to this OTLP/HTTP address. Raises ConfigError when the packages are missing."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise ConfigError("GATEWAY_OTLP_URL needs OpenTelemetry: pip install 'gemini-live-gateway[tracing]'.") from None
    resource = Resource.create({"service.name": "gemini-live-gateway", "service.version": __version__})
    _State.provider = TracerProvider(resource=resource)
    _State.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=FLUSH_S)))


async def close() -> None:
    """Send what is left."""
    provider, _State.provider = _State.provider, None
    if provider is not None:
        await asyncio.to_thread(provider.shutdown)


@contextlib.asynccontextmanager
async def following(label: str, subscribe: Callable[[], AsyncIterable[Facts]]) -> AsyncIterator[None]:
    """Make spans of a session's messages, where tracing is on, for as long as the session lasts."""
    if _State.provider is None:
        yield
        return
    spans = TurnSpans(_State.provider.get_tracer("gateway", __version__), label)
    task = asyncio.create_task(_follow(spans, subscribe()), name=f"{label} trace")
    try:
        yield
    finally:
        await asyncio.gather(task, return_exceptions=True)  # the messages end with the session


async def _follow(spans: TurnSpans, messages: AsyncIterable[Facts]) -> None:
    try:
        async for message in messages:
            spans.take(str(message["type"]), message.get("data") or {})
            if spans.ended:
                return
    except Exception:
        logger.exception("a session's turns are traced no further")
    finally:
        spans.end()


class TurnSpans:
    """The spans of one session: a `turn`, and inside of it `speech`, `answer` and `tool`."""

    def __init__(self, tracer: Tracer, label: str) -> None:
        self.ended = False
        self._tracer = tracer
        self._label = label
        self._turn: Span | None = None
        self._parts: dict[str, Span] = {}
        self._waiting: dict[str, Any] = {}  # what is known of a turn before its first part begins
        self._answered = False
        self._complete = False
        self._frames = 0
        self._generation = 0

    def take(self, kind: str, data: Facts) -> None:
        """The next message: its type and data, as events.py makes them."""
        match kind:
            case "user-started-speaking":
                if "answer" in self._parts:
                    self._note("gateway.interrupted", True)
                if self._answered:
                    self.end()
                self._begin("speech")
            case "user-stopped-speaking":
                self._finish("speech")
            case "bot-started-speaking":
                self._answered = True
                self._begin("answer")
            case "bot-stopped-speaking":
                self._finish("answer")
                self._end_if_over()
            case "llm-function-call-started":
                self._begin(f"tool {data.get('tool_call_id')}", "tool")
            case "llm-function-call-stopped":
                self._finish(f"tool {data.get('tool_call_id')}", **{"gateway.cancelled": bool(data.get("cancelled"))})
            case "server-message":
                self._fact(str(data.get("type")), data)

    def _fact(self, kind: str, data: Facts) -> None:
        match kind:
            case "ttfab":
                self._note(f"gateway.ttfab_{data['to']}_ms", data["ms"])
                self._note("gateway.ttfab_trigger", data["trigger"])
                self._note("gateway.video_fps", data["video_fps"])
            case "frame":
                self._frames += 1
            case "usage":
                self._note("gateway.prompt_tokens", data["prompt_tokens"])
                self._note("gateway.response_tokens", data["response_tokens"])
            case "link":
                self._generation = int(data["generation"])
                if self._turn is not None:
                    self._turn.add_event("link opened", {"generation": self._generation, "how": str(data["how"])})
            case "notice":
                if self._turn is not None:
                    self._turn.add_event(str(data.get("code")))
            case "turn" if self._answered:  # else it is the end of the one that was spoken over
                self._note("gateway.turn", data["number"])
                self._complete = True
                self._end_if_over()
            case "state" if data.get("state") == "ended":
                self.ended = True

    def _begin(self, key: str, name: str | None = None) -> None:
        from opentelemetry.trace import set_span_in_context

        if self._turn is None:
            known = {"gateway.session": self._label, **self._waiting}
            self._turn = self._tracer.start_span("turn", attributes=known)
            self._waiting.clear()
        if key not in self._parts:
            inside = set_span_in_context(self._turn)
            self._parts[key] = self._tracer.start_span(name or key, context=inside)

    def _finish(self, key: str, **attributes: bool) -> None:
        part = self._parts.pop(key, None)
        if part is not None:
            part.set_attributes(attributes)
            part.end()

    def _note(self, name: str, value: Any) -> None:
        if self._turn is not None:
            self._turn.set_attribute(name, value)
        else:
            self._waiting[name] = value

    def _end_if_over(self) -> None:
        if self._complete and not self._parts:
            self.end()

    def end(self) -> None:
        """End what has begun."""
        for key in tuple(self._parts):
            self._finish(key)
        if self._turn is not None:
            self._turn.set_attributes({"gateway.frames": self._frames, "gateway.link_generation": self._generation})
            self._turn.end()
        self._turn, self._frames = None, 0
        self._answered = self._complete = False
