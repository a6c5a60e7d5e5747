"""When the record of a session is written."""

import asyncio
from typing import Any

import pytest

from gateway.keeper import TOUCH_S, WRITE_S, Keeper
from gateway.store.memory import MemoryStore
from gateway.store.store import Fields, Ownership, OwnershipLost, StoreUnavailable
from tests.clock import virtually


class Store(MemoryStore):
    """A memory that counts what is written, and can be away."""

    def __init__(self) -> None:
        super().__init__(asyncio.get_running_loop().time)
        self.saved: list[tuple[float, Fields]] = []
        self.away = False

    async def save(self, ownership: Ownership, fields: Fields, keep_s: float) -> None:
        """Count and keep."""
        if self.away:
            raise StoreUnavailable("It is away.")
        await super().save(ownership, fields, keep_s)
        self.saved.append((asyncio.get_running_loop().time(), fields))


async def started(store: Store, tell: Any) -> tuple[Keeper, asyncio.Task[None]]:
    """A keeper at work."""
    keeper = Keeper(store, await store.own("a", "here"), grace_s=60)
    task = asyncio.create_task(keeper.run(tell))
    await asyncio.sleep(0)
    return keeper, task


@virtually
async def test_many_changes_are_one_writing() -> None:
    """At most one in each half second, the first at once; without changes only a sign that it is still wanted."""
    store = Store()
    keeper, task = await started(store, lambda since: ({"since": since}, 3))
    for _ in range(50):
        keeper.changed()
        await asyncio.sleep(WRITE_S / 10)
    assert len(store.saved) == pytest.approx(6, abs=1)
    assert [fields["since"] for _, fields in store.saved[:2]] == [0, 3]
    before = len(store.saved)
    await asyncio.sleep(TOUCH_S * 2.5)
    assert len(store.saved) - before in (2, 3)
    assert await store.load("a") is not None
    task.cancel()


@virtually
async def test_a_store_that_was_away_gets_all_that_it_missed() -> None:
    """From the turn on that was the last to be written."""
    store = Store()
    turn = 1
    keeper, task = await started(store, lambda since: ({"since": since, "turn": turn}, turn))
    store.away = True
    for number in (2, 3, 4):
        turn = number
        keeper.changed()
        await asyncio.sleep(WRITE_S * 3)
    store.away = False
    await asyncio.sleep(WRITE_S * 2)
    assert store.saved[-1][1] == {"since": 1, "turn": 4}
    task.cancel()


@virtually
async def test_an_owner_that_was_replaced_is_told() -> None:
    """And writes nothing more."""
    store = Store()
    keeper, task = await started(store, lambda since: ({"x": 1}, since))
    await store.own("a", "there", gone="here")
    keeper.changed()
    with pytest.raises(OwnershipLost):
        await task
    with pytest.raises(OwnershipLost):
        await keeper.finish(lambda since: ({"x": 2}, since), 10)
    assert await store.load("a") == {"x": 1}


@virtually
async def test_the_last_writing_lets_go() -> None:
    """The record stays for its time, and the session is nobody's."""
    store = Store()
    keeper, task = await started(store, lambda since: ({"x": 1}, since))
    task.cancel()
    await keeper.finish(lambda since: ({"ended": "user"}, since), 10)
    assert (await store.own("a", "there")).epoch == 2
    assert (await store.load("a") or {})["ended"] == "user"
