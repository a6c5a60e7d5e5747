"""What operators see of a running gateway: health, readiness, logs, traces."""

import asyncio
import json
import logging
import re
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.app import open_gateway
from gateway.settings import IceServer, Settings
from gateway.simulator import Simulator
from gateway.telemetry.logs import JsonFormatter
from gateway.telemetry.pulse import STALE_S, Pulse
from tests.integration.caller import Caller
from tests.integration.test_session import PATIENCE_S, condition, until
from tests.programs import NEVER_BUSY


async def test_a_loop_that_was_stuck_is_unhealthy(client: TestClient, monkeypatch: Any) -> None:
    """200 with the worst lag, and 503 once that was too long: a supervisor then replaces the process."""
    health = await client.get("/healthz")
    body = await health.json()
    assert (health.status, body["status"], body["sessions"]) == (200, "ok", 0)
    assert body["worst_lag_ms"] < STALE_S * 1000
    monkeypatch.setattr(Pulse, "worst_lag_s", property(lambda _: STALE_S + 1.5))
    health = await client.get("/healthz")
    body = await health.json()
    assert (health.status, body["status"], body["worst_lag_ms"]) == (503, "stuck", STALE_S * 1000 + 1500)


async def test_readiness_has_reasons(open_client: Any) -> None:
    """Ready while there is a place; then the reason; a metric tells soon, whoever asks."""

    async def measured(value: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while f"gateway_ready {value}" not in await (await client.get("/metrics")).text():
                await asyncio.sleep(0.02)

    client = await open_client(max_sessions=1)
    ready = await client.get("/readyz")
    assert (ready.status, await ready.json()) == (200, {"ready": True, "reasons": {}, "warnings": {}})
    async with Caller(client) as caller:
        full = await client.get("/readyz")
        assert (full.status, list((await full.json())["reasons"])) == (503, ["full"])
        await measured("0.0")
        assert await caller.end() == 204
    await condition_async(lambda: client.get("/readyz"), 200)
    await measured("1.0")


async def test_a_gateway_that_ends_is_not_ready(simulator: Simulator) -> None:
    """So that a balancer sends nobody any more."""
    settings = Settings(upstream="simulator", upstream_url=simulator.url, **NEVER_BUSY)
    async with open_gateway(settings) as application, TestClient(TestServer(application)) as client:
        await application.on_shutdown[0](application)
        ready = await client.get("/readyz")
        assert (ready.status, list((await ready.json())["reasons"])) == (503, ["shutting_down"])


async def test_a_relay_that_does_not_answer_is_a_warning(open_client: Any) -> None:
    """With the reason; those who need no relay are not turned away."""
    silent = IceServer(urls=("turn:127.0.0.1:9?transport=tcp",), username="u", credential="c")
    client = await open_client(ice_servers=(silent,))

    async def warned() -> bool:
        ready = await client.get("/readyz")
        assert ready.status == 200
        return "turn:127.0.0.1:9?transport=tcp" in (await ready.json())["warnings"]

    async with asyncio.timeout(PATIENCE_S):
        while not await warned():
            await asyncio.sleep(0.02)
    assert 'gateway_turn_up{server="turn:127.0.0.1:9?transport=tcp"} 0.0' in await (await client.get("/metrics")).text()


async def test_lines_of_the_log_belong_to_their_session(open_client: Any) -> None:
    """Of two calls at once, each line that names a session carries the same one as its field."""
    lines: list[dict[str, str]] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonFormatter().format(record)))

    def said(words: str) -> int:
        return sum(words in line["text"] for line in lines)

    logger, handler = logging.getLogger("gateway"), Capture()
    level, _ = logger.level, logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client = await open_client()
        async with Caller(client) as first, Caller(client) as second:
            await condition(lambda: said("peer is connected") == 2)
            await first.end()
            await second.end()
        await condition(lambda: said("is gone") == 2)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    named = [(match[1], line) for line in lines if (match := re.match(r"session (\S+?):? ", line["text"]))]
    assert {line.get("session") for _, line in named} == {label for label, _ in named}
    assert [line for label, line in named if line["session"] != label] == []
    for words in ("starts", "peer is connected", "ends", "is gone"):
        assert sum(words in line["text"] for _, line in named) == 2, words
    assert len({line["session"] for line in lines if line["text"].startswith("link 1 is open")}) == 2


async def test_a_turn_reaches_the_collector(simulator: Simulator) -> None:
    """Over OTLP, with its latency; one turn of one call is one trace."""
    received: list[ExportTraceServiceRequest] = []

    async def take(request: web.Request) -> web.Response:
        received.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    collector = web.Application()
    collector.router.add_post("/v1/traces", take)
    async with TestServer(collector) as at:
        values = {"upstream": "simulator", "upstream_url": simulator.url, **NEVER_BUSY}
        settings = Settings(**values, otlp_url=str(at.make_url("/v1/traces")))
        async with (
            open_gateway(settings) as application,
            TestClient(TestServer(application)) as client,
            Caller(client, silent=True) as caller,
            caller.events() as socket,
        ):
            await until(socket, "bot-ready")
            await asyncio.wait_for(caller.connected.wait(), PATIENCE_S)
            await socket.send_json({"type": "send-text", "id": "1", "data": {"content": "hello"}})
            await until(socket, "bot-stopped-speaking")
            await caller.end()
        spans = [
            span for one in received for of in one.resource_spans for scope in of.scope_spans for span in scope.spans
        ]
    assert {"turn", "answer"} <= {span.name for span in spans}
    turn = next(span for span in spans if span.name == "turn")
    attributes = {one.key: one.value for one in turn.attributes}
    assert attributes["gateway.ttfab_packet_ms"].int_value > 0
    assert attributes["gateway.ttfab_trigger"].string_value == "text"
    assert {span.trace_id for span in spans} == {turn.trace_id}


async def condition_async(ask: Any, status: int) -> None:
    """Wait until a request is answered so."""
    async with asyncio.timeout(PATIENCE_S):
        while (await ask()).status != status:
            await asyncio.sleep(0.02)
