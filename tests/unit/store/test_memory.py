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


async def test_a_token_is_used_once() -> None:
    """Until its time is over, or it was given back; one does not use up another."""
    now_s = 0.0
    store = MemoryStore(lambda: now_s)
    assert await store.use_once("a", 10)
    assert not await store.use_once("a", 10)
    assert await store.use_once("b", 10)
    await store.give_back("a")
    assert await store.use_once("a", 10)
    now_s = 11.0
    assert await store.use_once("b", 10)


async def test_used_tokens_do_not_pile_up() -> None:
    """Those whose time is over go."""
    now_s = 0.0
    store = MemoryStore(lambda: now_s)
    for number in range(RECORDS_MAX * 5):
        now_s += 1
        assert await store.use_once(str(number), 10)
    assert len(store._used) <= RECORDS_MAX
