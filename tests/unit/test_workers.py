"""What the supervisor tells its workers."""

import asyncio
import sys
from pathlib import Path

import pytest

from gateway.settings import Settings
from gateway.workers import EXIT_WRONG, Place, Workers, environment

DIRECTORY = Path("/run/gateway")
LOOKS_AT_THE_STORE = f"""
import os, sqlite3, sys
path = os.environ["GATEWAY_STORE"].removeprefix("sqlite:")
sys.exit({EXIT_WRONG} if sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",) else 1)
"""


def test_each_worker_has_its_own_udp_port() -> None:
    """Counted up from the one that was chosen, and so is each that is advertised."""
    settings = Settings(
        workers=3, udp_port=50000, udp_advertised=("192.0.2.1", "192.0.2.1:60000", "[2001:db8::1]:60000", "2001:db8::1")
    )
    told = environment(settings, 2, DIRECTORY)
    assert told["GATEWAY_UDP_PORT"] == "50002"
    assert told["GATEWAY_UDP_ADVERTISED"] == "192.0.2.1,192.0.2.1:60002,[2001:db8::1]:60002,2001:db8::1"
    assert environment(Settings(workers=3), 2, DIRECTORY)["GATEWAY_UDP_PORT"] == "0"


def test_workers_share_the_places_and_the_store() -> None:
    """Rounded up; a store that was named is kept."""
    told = environment(Settings(workers=3, max_sessions=100), 0, DIRECTORY)
    assert told["GATEWAY_MAX_SESSIONS"] == "34"
    assert told["GATEWAY_STORE"] == "sqlite:/run/gateway/store.db"
    named = environment(Settings(workers=3, store="redis://127.0.0.1"), 0, DIRECTORY)
    assert "GATEWAY_STORE" not in named


@pytest.mark.parametrize("store", ["memory", "sqlite:{}/own.db"])
async def test_the_file_is_there_before_the_workers(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that made it at the same moment would lock each other out."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    settings = Settings(workers=2, port=0, store=store.format(tmp_path))
    workers = Workers(settings, [sys.executable, "-c", LOOKS_AT_THE_STORE], {})
    async with asyncio.timeout(60):  # for other programs; one that found no such file would be started again and again
        assert await workers.run(lambda address: None, asyncio.Event(), asyncio.Event()) == EXIT_WRONG


@pytest.mark.parametrize("path", ["/run/a.sock", "/run/with,comma/a.sock"])
def test_a_place_is_told_and_read(path: str) -> None:
    """On the command line."""
    place = Place(3, 4, Path(path))
    assert Place.parse(place.arguments()[1]) == place
