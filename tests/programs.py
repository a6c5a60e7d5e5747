"""Real programs for tests: the gateway and the simulator as their own processes, and what has to be installed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

# A machine that is busy with other tests must not make a gateway shed anything.
NEVER_BUSY = {"load_lag_ms": 1e6, "load_cpu": 1e6, "load_memory": 1e6, "load_decode_ms": 1e6}
START_TIMEOUT_S = 60  # a busy machine; nothing is measured by it
STOP_TIMEOUT_S = 20


def require(program: str, install: str) -> str:
    """Path of a program. Where it is missing: skip with the command that installs it, or fail under CI=true."""
    found = shutil.which(program)
    if found is None:
        message = f"{program} is not installed: {install}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port of this address on which nobody listens."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """The environment of a program of ours: the machine's own, without anybody's settings."""
    foreign = ("GATEWAY_", "GEMINI_", "GOOGLE_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    patience = {f"GATEWAY_{name.upper()}": str(value) for name, value in NEVER_BUSY.items()}
    return {**own, **patience, **more}


class Program:
    """`python -m gateway …` as a process: `with Program([...], ready=r"Open (\\S+)") as program: program.found`."""

    def __init__(
        self,
        arguments: list[str],
        ready: str,
        log: Path,
        *,
        module: str = "gateway",
        python: str = sys.executable,
        **settings: str,
    ) -> None:
        self._arguments = arguments
        self._command = [python, "-m", module, *arguments]
        self._ready = re.compile(ready)
        self._log = log
        self._environment = environment(PYTHONUNBUFFERED="1", **settings)
        self.found = ""  # what the group of `ready` matched
        self.returncode: int | None = None

    def __enter__(self) -> Program:
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if match := self._ready.search(line):
                self.found = match[1]
                return self
        self._process.wait(STOP_TIMEOUT_S)
        raise AssertionError(f"gateway {' '.join(self._arguments)} ended: {self.log}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(signal.SIGINT)  # at once: a call that a failed test left behind is not waited for

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    @property
    def children(self) -> set[int]:
        """Process ids of the programs that it started and that run."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,stat=", "--ppid", str(self._process.pid)], capture_output=True, text=True
        )
        rows = [line.split() for line in listed.stdout.splitlines()]
        return {int(pid) for pid, state in rows if not state.startswith("Z")}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; the exit code."""
        if self.returncode is None:
            self._process.send_signal(number)
            try:
                self.returncode = self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise AssertionError(f"it did not end within {STOP_TIMEOUT_S} s of {number.name}: {self.log}") from None
            assert self._process.stdout is not None
            self._process.stdout.close()
        return self.returncode

    @property
    def log(self) -> str:
        """What it wrote to standard error."""
        return self._log.read_text(encoding="utf-8")


def npm_ci(directory: Path) -> Path:
    """The `node_modules` of a directory as its lock file has them, installed when they are missing or older. Where npm
    is missing: as `require`."""
    npm = require("npm", "apt-get install nodejs npm")
    installed, lock = directory / "node_modules/.package-lock.json", directory / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
    return installed.parent


@contextmanager
def gateway_and_simulator(
    directory: Path, recorded: Path, *, script: Path | None = None, **environment: str
) -> Iterator[tuple[Program, Program]]:
    """Both, the gateway talking to the simulator, which records and follows a script; logs are in `directory`."""
    arguments = ["simulate", "--port", "0", "--record", str(recorded)]
    arguments += ["--script", str(script)] if script is not None else []
    with (
        Program(arguments, r"=(ws://\S+)", directory / "simulator.log") as simulator,
        Program(
            ["serve", "--port", "0"],
            r"Open (http://\S+)",
            directory / "gateway.log",
            **{"GATEWAY_UPSTREAM": "simulator", "GATEWAY_UPSTREAM_URL": simulator.found, **environment},
        ) as gateway,
    ):
        yield gateway, simulator
