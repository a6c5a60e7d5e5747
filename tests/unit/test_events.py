"""What a browser is told, and the log from which it is told."""

import asyncio

from gateway import events
from gateway.events import EventLog


async def drain(reader: events.Subscription) -> list[events.Message]:
    """All messages of a reader whose log is closed."""
    return [item async for item in reader]


def test_messages_have_the_rtvi_shape() -> None:
    """Every builder gives the label, a type and its data, and an id only where one was asked for."""
    ready = events.bot_ready("1.2.3", message_id="abc")
    assert (ready["label"], ready["type"], ready["id"]) == ("rtvi-ai", "bot-ready", "abc")
    assert ready["data"]["version"].startswith("2.")
    assert "id" not in events.bot_ready("1.2.3")
    words = events.user_transcription("hello", final=True, timestamp="2026-01-01T00:00:00.000+00:00")
    assert set(words["data"]) == {"text", "user_id", "timestamp", "final"}
    problem = events.error("No key.", code="upstream_auth", fatal=True)
    assert problem["data"]["error"] == problem["data"]["message"] == "No key."
    assert events.state("live")["data"] == {"type": "state", "state": "live", "reason": ""}


async def test_a_reader_gets_what_was_said_before_and_after() -> None:
    """Messages are numbered from 1 and come in order, the kept ones first."""
    log = EventLog()
    log.publish(events.message("a"))
    reader = log.subscribe()
    log.publish(events.message("b"))
    log.close()
    assert [(item["type"], item["seq"]) for item in await drain(reader)] == [("a", 1), ("b", 2)]


async def test_a_reader_that_comes_back_misses_nothing_and_gets_nothing_twice() -> None:
    """`after` is the last number the reader saw."""
    log = EventLog()
    for kind in "abc":
        log.publish(events.message(kind))
    log.close()
    assert [item["type"] for item in await drain(log.subscribe(after=1))] == ["b", "c"]
    assert await drain(log.subscribe(after=3)) == []


async def test_a_waiting_reader_is_woken_by_a_message_and_by_the_end() -> None:
    """A reader sleeps until there is something to read and ends when the log is closed."""
    log = EventLog()
    reading = asyncio.create_task(drain(log.subscribe()))
    await asyncio.sleep(0)
    log.publish(events.message("late"))
    await asyncio.sleep(0)
    assert not reading.done()
    log.close()
    assert [item["type"] for item in await asyncio.wait_for(reading, 10)] == ["late"]


async def test_the_ring_forgets_the_oldest() -> None:
    """The log of a long call is bounded."""
    log = EventLog()
    for _ in range(events.RING_MESSAGES + 10):
        log.publish(events.message("x"))
    log.close()
    assert next(item["seq"] for item in await drain(log.subscribe())) == 11


async def test_a_reader_that_does_not_keep_up_is_cut_off() -> None:
    """A stalled reader gets what fitted, is marked, and costs nothing more."""
    log = EventLog()
    reader = log.subscribe()
    for _ in range(events.READER_MESSAGES + 5):
        log.publish(events.message("x"))
    assert reader.overrun
    assert len(await asyncio.wait_for(drain(reader), 10)) == events.READER_MESSAGES


async def test_nothing_is_published_after_the_end() -> None:
    """A closed log stays as it is."""
    log = EventLog()
    log.close()
    log.publish(events.message("x"))
    assert await drain(log.subscribe()) == []
