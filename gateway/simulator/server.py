"""The Gemini Live API on a loopback port.

Owns the listener: paths, handshake, and the connections there were. It must not know what is said on them.
**Invariant: after `stop` nothing listens and every connection is closed.**
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from gateway.errors import ConfigError
from gateway.simulator import wire
from gateway.simulator.connection import Connection
from gateway.simulator.faults import Fault, Schedule, Script, read_script
from gateway.simulator.flavours import FLAVOURS, Flavour, flavour_for
from gateway.simulator.flow import Socket
from gateway.simulator.loopback import EchoConnection, ToneConnection
from gateway.simulator.memory import Handles, Heard
from gateway.simulator.recorder import Recorder

logger = logging.getLogger(__name__)

DEVELOPER_PATH = re.compile(
    r"^/ws/google\.ai\.generativelanguage\.(v1beta|v1|v1alpha)\.GenerativeService\.BidiGenerateContent(Constrained)?$"
)
VERTEX_PATH = re.compile(r"^/ws/google\.cloud\.aiplatform\.(v1beta1|v1)\.LlmBidiService/BidiGenerateContent$")
Answer = Literal["says_back", "echo", "tone"]
CONNECTIONS: dict[Answer, type[Connection]] = {
    "says_back": Connection,
    "echo": EchoConnection,
    "tone": ToneConnection,
}


class Simulator:
    """A stand-in for the Gemini Live API.

    `flavour` is a name of `flavours.FLAVOURS`; None takes the family of the model that a client asks for. `script` is a
    TOML file, what is in one, or the faults alone. `record_dir` gets a directory a connection. With `remember=False`
    nothing of what was heard is kept, for a simulator that runs for days. As its `answer`, `echo` says back at once
    whatever it hears and `tone` hums all the time; neither understands anything.
    """

    def __init__(
        self,
        flavour: str | None = None,
        script: Path | Script | tuple[Fault, ...] = (),
        record_dir: Path | None = None,
        *,
        remember: bool = True,
        answer: Answer = "says_back",
    ) -> None:
        if flavour is not None and flavour not in FLAVOURS:
            raise ConfigError(f"There is no flavour {flavour!r}; there are {', '.join(FLAVOURS)}.")
        self._flavour = FLAVOURS[flavour] if flavour else None
        if isinstance(script, Path):
            script = read_script(script)
        self._script = script if isinstance(script, Script) else Script(fault=script)
        self._schedule = Schedule(self._script.fault)
        self._connection = CONNECTIONS[answer]
        self._open: set[Connection] = set()
        self._record_dir = record_dir
        self._remember = remember
        self._handles = Handles()
        self._server: Server | None = None
        self._accepted = 0
        self._numbers: WeakKeyDictionary[ServerConnection, int] = WeakKeyDictionary()
        self.connections: list[Heard] = []

    @property
    def url(self) -> str:
        """Base of the API: what `GATEWAY_UPSTREAM_URL` takes."""
        assert self._server is not None, "start it first"
        host, port = next(iter(self._server.sockets)).getsockname()[:2]
        return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; raises ConfigError when that is not possible."""
        try:
            self._server = await serve(
                self._serve,
                host,
                port,
                process_request=self._handshake,
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=1.0,
            )
        except OSError as error:
            raise ConfigError(
                f"The simulator cannot listen on {host} port {port}: {error.strerror or error}."
            ) from None

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close(code=1001, reason="The simulator is stopping.")
            await self._server.wait_closed()

    def abort_all(self) -> None:
        """Cut every connection that is open, without a close frame."""
        for socket in self._server.connections if self._server is not None else ():
            socket.transport.abort()

    async def inject(self, fault: Fault) -> int:
        """Let a fault happen now on every connection that is set up; on how many it did."""
        return sum([await connection.inject(fault) for connection in tuple(self._open)])

    def _handshake(self, socket: ServerConnection, request: Request) -> Response | None:
        if not _is_path(request.path):
            return _refusal(404, None)
        number, fault = self.accept()
        if fault is not None:
            return _refusal(fault.status, fault.retry_after_s)
        self._numbers[socket] = number
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
        await self.serve(socket, self._numbers[socket], socket.request.path, headers)

    def accept(self) -> tuple[int, Fault | None]:
        """The number of the next connection, and the fault that refuses it, if one does."""
        self._accepted += 1
        for fault in self._schedule.due("handshake", self._accepted):
            logger.info("connection %d: refused with %d", self._accepted, fault.status)
            return self._accepted, fault
        return self._accepted, None

    async def serve(self, socket: Socket, number: int, path: str, headers: dict[str, str]) -> None:
        """Be the model on an accepted socket until it is closed; `pipe.pipe` makes sockets without a network."""
        heard = Heard(number, path, headers)
        if self._remember:
            self.connections.append(heard)
        recorder = Recorder(self._record_dir / str(number)) if self._record_dir else None
        path = urlsplit(path).path
        vertex = VERTEX_PATH.match(path)

        def choose(model: str) -> Flavour:
            found = self._flavour or flavour_for(model, vertex=vertex is not None)
            if found is None:
                version = (vertex or DEVELOPER_PATH.match(path) or [""])[1]
                raise wire.model_not_found(model, version, vertex=vertex is not None)
            return found

        connection = self._connection(
            socket, heard, choose, self._script, self._schedule, self._handles, recorder, remember=self._remember
        )
        self._open.add(connection)
        try:
            await connection.run()
        finally:
            self._open.discard(connection)


def _is_path(path: str) -> bool:
    bare = urlsplit(path).path
    return bool(DEVELOPER_PATH.match(bare) or VERTEX_PATH.match(bare))


def _refusal(status: int, retry_after_s: int | None) -> Response:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    headers = Headers({"Content-Type": "text/plain", "Content-Length": str(len(phrase)), "Connection": "close"})
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return Response(status, phrase, headers, phrase.encode())


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """What `gateway simulate` was asked for."""

    host: str = "127.0.0.1"
    port: int = 9911
    flavour: str | None = None
    script: Path | None = None
    record_dir: Path | None = None


async def run_simulator(options: SimulatorOptions, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; prints the address to give to a client. Raises ConfigError."""
    simulator = Simulator(options.flavour, options.script or (), options.record_dir, remember=False)
    await simulator.start(options.host, options.port)
    print(f"Gemini Live simulator: GATEWAY_UPSTREAM_URL={simulator.url}", flush=True)
    try:
        await stop.wait()
    finally:
        await simulator.stop()
