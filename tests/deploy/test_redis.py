"""The store's container: its own start, with Debian's redis-server."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from gateway.app import open_store
from gateway.settings import Settings
from gateway.store.store import StoreUnavailable
from tests.programs import START_TIMEOUT_S, STOP_TIMEOUT_S, free_port, require

ROOT = Path(__file__).parents[2]
SERVICE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["redis"]
PASSWORD = "of-this-test-only"


def command(directory: Path, port: int) -> list[str]:
    """The container's entrypoint, with the paths of this machine."""
    configuration = (ROOT / "deploy/redis/redis.conf").read_text(encoding="utf-8")
    (directory / "redis.conf").write_text(
        configuration.replace("dir /data", f"dir {directory}").replace("port 6379", f"port {port}")
    )
    shell, option, script = SERVICE["entrypoint"]
    script = (
        script.replace("$$", "$").replace("/etc/redis/", f"{directory}/").replace("/run/redis/", f"{directory}/run/")
    )
    (directory / "run").mkdir(exist_ok=True)
    require("redis-server", "apt-get install redis-server")
    return [shell, option, script]


@contextmanager
def running(directory: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Until it listens; it must end by itself."""
    environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": PASSWORD, "REDIS_ADDRESS": "127.0.0.1"}
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(command(directory, port), env=environment, stdout=log, stderr=log)
        try:
            deadline_s = time.monotonic() + START_TIMEOUT_S
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline_s, (directory / "log").read_text()
                    time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            assert process.wait(STOP_TIMEOUT_S) == 0


def ask(port: int, *words: str, password: str | None = PASSWORD) -> str:
    """By its own client."""
    environment = {"PATH": os.environ["PATH"], **({"REDISCLI_AUTH": password} if password else {})}
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *words], env=environment, capture_output=True, text=True, timeout=STOP_TIMEOUT_S
    )
    return done.stdout.strip()


async def test_the_gateway_gets_in_with_the_password_of_its_settings(tmp_path: Path) -> None:
    """Without it, or with another one, it is told what to set."""
    port = free_port()
    told = Settings(store=f"redis://127.0.0.1:{port}/0", store_password=SecretStr(PASSWORD))
    with running(tmp_path, port):
        store = open_store(told)
        assert await store.key() == await store.key()
        await store.close()
        for wrong in (None, SecretStr("guessed")):
            stranger = open_store(told.model_copy(update={"store_password": wrong}))
            with pytest.raises(StoreUnavailable, match="GATEWAY_STORE_PASSWORD"):
                await stranger.key()
            await stranger.close()


def test_only_who_has_the_password_gets_in_and_a_restart_loses_nothing(tmp_path: Path) -> None:
    """The password is in no command line; what was written is there again; nothing is thrown out for room."""
    port = free_port()
    with running(tmp_path, port) as process:
        assert ask(port, "ping", password=None).startswith("NOAUTH")
        assert ask(port, "set", "lease", "1") == "OK"
        assert ask(port, "config", "get", "maxmemory-policy").splitlines()[-1] == "noeviction"
        assert PASSWORD not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert (tmp_path / "run/redis.conf").stat().st_mode & 0o077 == 0
    with running(tmp_path, port):
        assert ask(port, "get", "lease") == "1"


def test_the_placeholder_is_refused(tmp_path: Path) -> None:
    """With what to do."""
    for password in ("", "changeme"):
        environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": password}
        ended = subprocess.run(command(tmp_path, 1), env=environment, capture_output=True, text=True)
        assert ended.returncode == 2
        assert re.search(r"REDIS_PASSWORD.*make secrets", ended.stderr)
