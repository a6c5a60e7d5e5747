"""Several workers on one port: `gateway serve --workers N`.

Owns the listening socket, the directory that the workers share, and the workers' lives. It must not know calls.
**Invariant: a worker that dies is started again and nothing else is touched; no worker outlives this process.**

Each worker is a whole gateway: an event loop, a UDP port, a lease as a node. They accept from the same socket, and
share a store in SQLite unless the settings name another, so that the calls of a worker that died go on at its siblings.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import select
import shutil
import signal
import socket as sockets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import multiprocess

from gateway.errors import ConfigError
from gateway.lan import reachable_host
from gateway.settings import Settings
from gateway.store.sqlite import create
from gateway.store.store import StoreUnavailable

logger = logging.getLogger(__name__)

BACKLOG = 1024
SHORT_LIFE_S = 10.0  # a worker that dies sooner is started again later and later
RESTART_S, RESTART_MAX_S = 0.5, 10.0
READY_S = 60.0  # a busy machine; a start takes less than a second
LOOK_S = 0.05
EXIT_WRONG = 2  # of a worker whose settings must not start: it has said why
KILL_S = 10.0  # beyond its drain time


@dataclass(frozen=True, slots=True)
class Place:
    """What the supervisor hands to one worker."""

    listen_fd: int
    alive_fd: int  # at its end when the supervisor is gone
    socket: Path  # for requests of its siblings

    def arguments(self) -> list[str]:
        """As the command line of the worker."""
        return ["--worker", f"{self.listen_fd},{self.alive_fd},{self.socket}"]

    def listener(self) -> sockets.socket:
        """The socket of the supervisor."""
        return sockets.socket(fileno=self.listen_fd)

    def tidy(self) -> None:
        """Remove the directory of the workers, when the supervisor was killed and cannot; the last one to end does."""
        if select.select([self.alive_fd], [], [], 0)[0]:
            shutil.rmtree(self.socket.parent, ignore_errors=True)

    @classmethod
    def parse(cls, text: str) -> Place:
        """What `arguments` told."""
        listen_fd, alive_fd, path = text.split(",", 2)
        return cls(int(listen_fd), int(alive_fd), Path(path))


def environment(settings: Settings, index: int, directory: Path) -> dict[str, str]:
    """What worker `index` (from 0) is told beyond the environment of all: its UDP port and its share of the sessions.

    A UDP port that was chosen, and each that is advertised, counts up from worker to worker.
    """
    told = {
        "GATEWAY_UDP_PORT": str(settings.udp_port + index if settings.udp_port else 0),
        "GATEWAY_UDP_ADVERTISED": ",".join(_counted(address, index) for address in settings.udp_advertised),
        "GATEWAY_MAX_SESSIONS": str(math.ceil(settings.max_sessions / settings.workers)),
        "PROMETHEUS_MULTIPROC_DIR": str(directory / "metrics"),
    }
    if (path := store_file(settings, directory)) is not None:
        told["GATEWAY_STORE"] = f"sqlite:{path}"
    return told


def store_file(settings: Settings, directory: Path) -> Path | None:
    """The file that the workers share; None where the settings name a store elsewhere."""
    if settings.store == "memory":
        return directory / "store.db"
    kind, _, path = settings.store.partition(":")
    return Path(path) if kind == "sqlite" else None


def _counted(address: str, index: int) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not host.endswith("]")):
        return address  # without a port of its own
    return f"{host}:{int(port) + index}"


class Workers:
    """The supervisor; `run` returns the exit code when all workers have ended."""

    def __init__(self, settings: Settings, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._settings = settings
        self._command = command
        self._variables = dict(variables)
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = False
        self._wrong = False

    async def run(self, ready: Callable[[str], None], stop: asyncio.Event, hurry: asyncio.Event) -> int:
        """Start the workers, keep them running until `stop`, and end them; at once when `hurry` is set.

        Raises ConfigError when the address cannot be listened on, or the file that they share cannot be made.
        """
        alive, held = os.pipe()
        with tempfile.TemporaryDirectory(prefix="gateway-") as name, listening(self._settings) as listener:
            directory = Path(name)
            (directory / "metrics").mkdir()
            self._create_store(directory)
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory / "metrics")  # for mark_process_dead
            keeping = [
                asyncio.create_task(self._keep(index, directory, listener, alive), name=f"worker {index}")
                for index in range(self._settings.workers)
            ]
            announcing = asyncio.create_task(self._announce(ready, listener, directory), name="ready")
            ending = asyncio.create_task(self._end(stop, hurry), name="end")
            try:
                await asyncio.gather(*keeping)
            finally:
                for task in (*keeping, announcing, ending):
                    task.cancel()
                await asyncio.gather(*keeping, announcing, ending, return_exceptions=True)
                os.close(alive)
                os.close(held)
        return EXIT_WRONG if self._wrong else 0

    def _create_store(self, directory: Path) -> None:
        if (path := store_file(self._settings, directory)) is not None:
            try:
                create(path)
            except StoreUnavailable as error:
                raise ConfigError(f"{error} Check GATEWAY_STORE.") from None

    async def _keep(self, index: int, directory: Path, listener: sockets.socket, alive: int) -> None:
        """One worker after the other, until there is a reason to stop."""
        loop = asyncio.get_running_loop()
        delay_s = RESTART_S
        starts = 0
        while not self._stopping:
            started_s = loop.time()
            starts += 1
            place = Place(listener.fileno(), alive, directory / f"{index}-{starts}.sock")
            process = self._processes[index] = await asyncio.create_subprocess_exec(
                *self._command,
                *place.arguments(),
                env={**self._variables, **environment(self._settings, index, directory)},
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(listener.fileno(), alive),
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which tells them
            )
            code = await process.wait()
            place.socket.unlink(missing_ok=True)
            multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
            if code == EXIT_WRONG:
                self._wrong = True
                self._stop(signal.SIGTERM)
            lived_s = loop.time() - started_s
            delay_s = RESTART_S if lived_s >= SHORT_LIFE_S else min(RESTART_MAX_S, delay_s * 2)
            if not self._stopping:
                logger.error("worker %d ended with %d after %.0f s; it is started again", index, code, lived_s)
                await asyncio.sleep(delay_s if lived_s < SHORT_LIFE_S else 0)

    async def _announce(self, ready: Callable[[str], None], listener: sockets.socket, directory: Path) -> None:
        deadline_s = asyncio.get_running_loop().time() + READY_S
        while _count_ready(directory) < self._settings.workers:
            if asyncio.get_running_loop().time() > deadline_s:
                logger.error("not all workers are ready after %.0f s", READY_S)
                return
            await asyncio.sleep(LOOK_S)
        ready(address_of(listener, self._settings))

    async def _end(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        await stop.wait()
        self._stop(signal.SIGINT if hurry.is_set() else signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_s + KILL_S):
                await hurry.wait()
            self._stop(signal.SIGINT)
            await asyncio.sleep(KILL_S)
        self._stop(signal.SIGKILL)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping = True
        for process in self._processes.values():
            if process.returncode is None:
                process.send_signal(number)


def _count_ready(directory: Path) -> int:
    return len(list(directory.glob("*.sock")))


def listening(settings: Settings) -> sockets.socket:
    """The socket of the settings' address; raises ConfigError."""
    family = sockets.AF_INET6 if ":" in settings.host else sockets.AF_INET
    try:
        return sockets.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}. "
            "Set GATEWAY_PORT to a free port, or end the program that uses this one."
        ) from None


def address_of(listener: sockets.socket, settings: Settings) -> str:
    """What a person can open."""
    told = reachable_host(settings) if settings.tls_cert is not None else settings.host
    host = f"[{told}]" if ":" in told else told
    return f"{'https' if settings.tls_cert is not None else 'http'}://{host}:{listener.getsockname()[1]}/"


def worker_command() -> list[str]:
    """How a worker is started: as this program was, by the same interpreter."""
    return [sys.executable, "-m", "gateway", *sys.argv[1:]]
