"""Plain functions in threads."""

import asyncio
import threading
from contextvars import ContextVar

import pytest

from gateway.tools.thread import in_thread

WHO: ContextVar[str] = ContextVar("WHO")


async def test_a_function_runs_in_a_thread_that_nothing_waits_for() -> None:
    """With the context variables of the call; the end of the process does not wait for such a thread."""
    WHO.set("ada")

    def look() -> tuple[str, bool]:
        return WHO.get(), threading.current_thread().daemon

    assert await in_thread(look) == ("ada", True)


@pytest.mark.parametrize(("raised", "told"), [(KeyError("x"), KeyError), (StopIteration(), RuntimeError)])
async def test_what_it_raises_is_raised(raised: Exception, told: type[Exception]) -> None:
    """Also what a future cannot carry."""

    def fail() -> None:
        raise raised

    with pytest.raises(told):
        await in_thread(fail)


async def test_threads_are_used_again() -> None:
    """One for each function that runs at the same time, and no more; one that hangs is not waited for by others."""
    gate = threading.Event()
    hanging = asyncio.create_task(in_thread(lambda: gate.wait(20)))
    await asyncio.sleep(0)
    await in_thread(threading.get_ident)
    before = threading.active_count()
    found = {await in_thread(threading.get_ident) for _ in range(20)}
    assert threading.active_count() == before
    assert len(found) <= 2
    gate.set()
    assert await hanging


async def test_a_cancellation_is_followed_when_it_is_over_and_a_second_one_at_once() -> None:
    """So its end can be waited for, and need not be."""
    may_end = threading.Event()
    call = asyncio.create_task(in_thread(lambda: may_end.wait(20)))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.sleep(0)
    assert not call.done()
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    may_end.set()
