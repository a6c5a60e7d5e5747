"""What every store does: in memory, in a file, and in a real Redis."""

import asyncio
import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store.memory import RECORDS_MAX, MemoryStore
from gateway.store.redis import RedisStore
from gateway.store.sqlite import SqliteStore, create
from gateway.store.store import Node, OwnedElsewhere, Ownership, OwnershipLost, Store, StoreUnavailable
from tests.programs import require

HERE = Node("here", machine="m", socket="/run/here.sock", sessions=2)
THERE = Node("there", url="http://192.0.2.1:8080", draining=True)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A redis-server of Debian on a Unix socket."""
    program = require("redis-server", "apt-get install redis-server")
    directory = tmp_path_factory.mktemp("redis")
    path = directory / "socket"
    arguments = [program, "--port", "0", "--unixsocket", str(path), "--dir", str(directory), "--save", ""]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        while not path.exists():
            assert process.poll() is None
            time.sleep(0.01)  # for another program; nothing is measured by it
        yield f"unix://{path}"
        process.terminate()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """One of each kind, empty."""
    opened: Store
    if request.param == "memory":
        opened = MemoryStore(time.monotonic)
    elif request.param == "sqlite":
        opened = SqliteStore(tmp_path / "store.db")
    else:
        opened = RedisStore(request.getfixturevalue("redis_url"))
        await opened._redis.flushdb()
    yield opened
    await opened.close()


async def test_a_file_that_was_made_is_opened_while_another_reads_it(tmp_path: Path) -> None:
    """SQLite turns no file to WAL that somebody else uses; one that was made for several is so already."""
    path = tmp_path / "store.db"
    create(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT * FROM session").fetchall() == []
        store = SqliteStore(path)
        mine = await store.own("a", "here")
        await store.save(mine, {"summary": "s"}, 60)
        assert await store.load("a") == {"summary": "s"}
        await store.close()


async def test_a_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """In a sentence, with SQLite's reason."""
    with pytest.raises(StoreUnavailable, match=r"nowhere/store\.db cannot be used: unable to open"):
        create(tmp_path / "nowhere/store.db")


async def test_a_record_is_fields(store: Store) -> None:
    """That are set one by one, and removed where they are None."""
    mine = await store.own("a", "here")
    assert await store.load("a") is None
    await store.save(mine, {"turn:1": {"user": "é", "cut": False}, "summary": "s"}, 60)
    await store.save(mine, {"turn:2": [1, 2], "summary": None}, 60)
    assert await store.load("a") == {"turn:1": {"user": "é", "cut": False}, "turn:2": [1, 2]}
    assert await store.load("b") is None


async def test_a_living_owner_is_not_replaced(store: Store) -> None:
    """Nor does its epoch change when it asks again."""
    await store.announce(HERE, 60)
    mine = await store.own("a", "here")
    assert mine == await store.own("a", "here") == Ownership("a", "here", 1)
    with pytest.raises(OwnedElsewhere) as refused:
        await store.own("a", "there")
    assert refused.value.node_id == "here"
    await store.save(mine, {"x": 1}, 60)
    assert await store.owner("a") == HERE


async def test_an_owner_that_lost_its_lease_is_replaced_and_fenced(store: Store) -> None:
    """What it writes afterwards is refused, and the new owner sees what was written before."""
    await store.announce(HERE, 60)
    old = await store.own("a", "here")
    await store.save(old, {"x": 1}, 60)
    await store.leave("here")
    new = await store.own("a", "there")
    assert new.epoch == old.epoch + 1
    with pytest.raises(OwnershipLost):
        await store.save(old, {"x": 2}, 60)
    await store.release(old)
    await store.save(new, {"y": 3}, 60)
    assert await store.load("a") == {"x": 1, "y": 3}


async def test_an_owner_known_to_be_dead_is_replaced_at_once(store: Store) -> None:
    """Whatever its lease says; another node's death is not taken for its own."""
    await store.announce(HERE, 60)
    await store.own("a", "here")
    with pytest.raises(OwnedElsewhere):
        await store.own("a", "there", gone="elsewhere")
    assert (await store.own("a", "there", gone="here")).epoch == 2


async def test_what_is_released_can_be_owned(store: Store) -> None:
    """At once, and its record is there."""
    await store.announce(HERE, 60)
    mine = await store.own("a", "here")
    await store.save(mine, {"x": 1}, 60)
    await store.release(mine)
    assert await store.owner("a") is None
    await store.own("a", "there")
    assert await store.load("a") == {"x": 1}


async def test_of_many_who_want_a_session_one_gets_it(store: Store) -> None:
    """Two owners at once are impossible."""
    names = [f"node{number}" for number in range(8)]
    for name in names:
        await store.announce(Node(name), 60)
    found = await asyncio.gather(*(store.own("a", name) for name in names), return_exceptions=True)
    assert sum(isinstance(one, Ownership) for one in found) == 1
    assert sum(isinstance(one, OwnedElsewhere) for one in found) == len(names) - 1


async def test_nodes_are_known_while_they_live(store: Store) -> None:
    """With what they tell of themselves."""
    await store.announce(HERE, 60)
    await store.announce(THERE, 60)
    assert sorted(await store.nodes(), key=lambda node: node.id) == [HERE, THERE]
    await store.leave("here")
    assert await store.nodes() == [THERE]


async def test_a_token_is_used_once(store: Store) -> None:
    """Of many who try one succeeds; one that is given back can be used again; one does not use up another."""
    tries = await asyncio.gather(*(store.use_once("a", 60) for _ in range(5)))
    assert sorted(tries) == [False] * 4 + [True]
    assert await store.use_once("b", 60)
    await store.give_back("a")
    assert await store.use_once("a", 60)


async def test_what_is_spent_adds_up(store: Store) -> None:
    """For each token by itself, and asking spends nothing."""
    assert await store.spend("t", 0, 0, 60) == (0, 0)
    assert await store.spend("t", 100, 1, 60) == (100, 1)
    assert await store.spend("t", 20, 2, 60) == (120, 3)
    assert await store.spend("other", 5, 0, 60) == (5, 0)
    assert await store.spend("t", 0, 0, 60) == (120, 3)


async def test_a_name_means_one_session(store: Store) -> None:
    """The last that it was given to."""
    assert await store.bound("a/camera") is None
    await store.bind("a/camera", "first", 60)
    await store.bind("a/camera", "second", 60)
    await store.bind("b/camera", "third", 60)
    assert await store.bound("a/camera") == "second"
    assert await store.bound("camera") is None


async def test_the_key_is_one(store: Store) -> None:
    """All nodes of a store know the same secret."""
    key = await store.key()
    assert len(key) >= 32
    assert key == await store.key()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_time_ends_records_and_leases(kind: str, tmp_path: Path) -> None:
    """By the clock that was given; a record lives as long as it was last said."""
    now_s = 0.0
    store: Store = MemoryStore(lambda: now_s) if kind == "memory" else SqliteStore(tmp_path / "store.db", lambda: now_s)
    await store.announce(HERE, 10)
    mine = await store.own("a", "here")
    await store.save(mine, {"x": 1}, 20)
    assert await store.use_once("t", 10)
    assert await store.spend("t", 5, 0, 10) == (5, 0)
    await store.bind("n", "a", 10)
    now_s = 9.9
    assert await store.bound("n") == "a"
    assert not await store.use_once("t", 10)
    assert await store.owner("a") == HERE
    now_s = 10.0
    assert await store.owner("a") is None
    assert await store.nodes() == []
    assert await store.use_once("t", 10)
    assert await store.spend("t", 0, 0, 10) == (0, 0)
    assert await store.bound("n") is None
    now_s = 19.9
    assert await store.load("a") == {"x": 1}
    now_s = 20.0
    assert await store.load("a") is None
    await store.close()


async def test_redis_ends_records_and_leases(redis_url: str) -> None:
    """Redis was told the times; they are read back, not waited for."""
    store = RedisStore(redis_url)
    await store._redis.flushdb()
    await store.announce(HERE, 10)
    mine = await store.own("a", "here")
    await store.save(mine, {"x": 1}, 20)
    assert 9_000 < await store._redis.pttl("gateway:node:here") <= 10_000
    assert 19_000 < await store._redis.pttl("gateway:session:a") <= 20_000
    assert json.loads(await store._redis.get("gateway:node:here"))["sessions"] == 2
    await store.close()


async def test_a_redis_that_is_not_there_is_a_sentence() -> None:
    """And says that trying again helps."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store = RedisStore(f"redis://127.0.0.1:{port}")
    with pytest.raises(StoreUnavailable, match="Redis cannot be reached") as failed:
        await store.owner("a")
    assert failed.value.retryable
    await store.close()


async def test_the_memory_forgets_the_oldest_that_nobody_owns() -> None:
    """And never a session that is going on."""
    store = MemoryStore(lambda: 0.0)
    kept = await store.own("kept", "here")
    await store.save(kept, {"x": 1}, 60)
    for number in range(RECORDS_MAX + 5):
        ownership = await store.own(str(number), "here")
        await store.save(ownership, {"x": 1}, 60)
        await store.release(ownership)
    assert await store.load("4") is None
    assert await store.load("5") == {"x": 1}
    await store.save(kept, {"x": 2}, 60)


async def test_used_tokens_do_not_pile_up_in_memory() -> None:
    """Those whose time is over go."""
    now_s = 0.0
    store = MemoryStore(lambda: now_s)
    for number in range(RECORDS_MAX * 5):
        now_s += 1
        assert await store.use_once(str(number), 10)
    assert len(store._used) <= RECORDS_MAX
