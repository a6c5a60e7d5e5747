"""Records in memory."""

from gateway.store.memory import RECORDS_MAX, MemoryStore


async def test_a_record_is_kept_for_its_time() -> None:
    """And replaced by a newer one."""
    now_s = 0.0
    store = MemoryStore(lambda: now_s)
    await store.save("a", {"turns": 1}, 10)
    await store.save("a", {"turns": 2}, 20)
    now_s = 19.9
    assert await store.load("a") == {"turns": 2}
    now_s = 20.0
    assert await store.load("a") is None
    assert await store.load("b") is None


async def test_the_oldest_give_way() -> None:
    """The memory is bounded, and what is over is forgotten."""
    now_s = 0.0
    store = MemoryStore(lambda: now_s)
    for number in range(RECORDS_MAX + 5):
        await store.save(str(number), {}, 10)
    assert await store.load("4") is None
    assert await store.load("5") == {}
    now_s = 11.0
    await store.save("new", {}, 10)
    assert len(store._records) == 1
