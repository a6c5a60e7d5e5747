"""`gateway serve --workers N` as an operator runs it, with calls in it when workers die."""

import asyncio
import os
import re
import select
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.store.sqlite import SqliteStore
from tests.programs import Program
from tests.roaming import Front, RoamingPhone

WORKERS = 2
PATIENCE_S = 60.0


def started(log: Path, **environment: str) -> Program:
    """A gateway of two workers, with the simulator inside."""
    return Program(["serve", "--port", "0", "--workers", str(WORKERS)], r"Open (http\S+)/", log, **environment)


async def answered(phone: RoamingPhone, words: str) -> None:
    """Say this and wait until the turn is over."""
    turns = sum(event.get("data", {}).get("type") == "turn" for event in phone.events)
    await phone.say(words)
    async with asyncio.timeout(PATIENCE_S):
        while sum(event.get("data", {}).get("type") == "turn" for event in phone.events) <= turns:
            await asyncio.sleep(0.05)


async def written(kept: Path, phone: RoamingPhone) -> None:
    """Until the store has the turn that is over."""
    store = SqliteStore(kept)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            turn = (await store.load(phone.location.rpartition("/")[2]) or {}).get("turn:1", {"model": "", "cut": True})
            if turn["model"] and not turn["cut"]:
                break
            await asyncio.sleep(0.05)
    await store.close()


async def test_a_worker_that_dies_takes_no_call_with_it(tmp_path: Path) -> None:
    """Its calls go on at its siblings, the other calls notice nothing, and it is started again."""
    kept = tmp_path / "store.db"
    with started(tmp_path / "log", GATEWAY_STORE=f"sqlite:{kept}") as gateway:
        front = Front([gateway.found])
        async with AsyncExitStack() as stack:
            stack.push_async_callback(front.close)
            phones = [await stack.enter_async_context(RoamingPhone(front)) for _ in range(WORKERS)]
            assert len({phone.location.partition("-")[0] for phone in phones}) == WORKERS
            for phone in phones:
                await answered(phone, "one two three")
            async with ClientSession() as client, client.get(gateway.found + "/metrics") as metrics:
                text = await metrics.text()
                assert re.search(r"^gateway_sessions 2\.0$", text, re.MULTILINE)
                assert re.search(r"^process_open_fds \d", text, re.MULTILINE)
            for phone in phones:
                await written(kept, phone)
            before = gateway.children
            os.kill(min(before), signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                while sum(phone.peers for phone in phones) == len(phones):
                    await asyncio.sleep(0.05)
            for phone in phones:
                await answered(phone, "four")
            assert sorted(phone.peers for phone in phones) == [1, 2]
            for phone in phones:
                told = await phone.transcript()
                assert [turn["user"] for turn in told["turns"]] == ["one two three", "four"]
            async with asyncio.timeout(PATIENCE_S):
                while len(gateway.children) < WORKERS:
                    await asyncio.sleep(0.05)
            assert len(gateway.children & before) == WORKERS - 1
        assert gateway.stop() == 0
        assert "it is started again" in gateway.log
        assert "Traceback" not in gateway.log


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    """Also when it is killed: nothing is left that listens, nor a file."""
    (tmp_path / "files").mkdir()
    with started(tmp_path / "log", TMPDIR=str(tmp_path / "files")) as gateway:
        workers = [os.pidfd_open(process) for process in gateway.children]
        assert len(workers) == WORKERS
        gateway.stop(signal.SIGKILL)
        for worker in workers:
            assert select.select([worker], [], [], PATIENCE_S)[0], "it runs on"
            os.close(worker)
    assert list((tmp_path / "files").iterdir()) == []


def test_settings_that_must_not_start_end_all_workers(tmp_path: Path) -> None:
    """With one sentence and exit code 2."""
    program = started(tmp_path / "log", GATEWAY_STORE="redis://127.0.0.1:1")
    with pytest.raises(AssertionError, match="Check GATEWAY_STORE"):
        program.__enter__()
    assert program.stop() == 2
