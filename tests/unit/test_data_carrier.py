"""The data channel as a carrier of events."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from gateway import data_carrier, events
from gateway.commands import Commands
from gateway.data_carrier import DataCarrier
from tests.unit.test_commands import FakeSession

READY = json.dumps({"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {"version": "2.1.0"}})


class FakeChannel:
    """A channel whose other side a test holds; `arrives` is how many of the messages it acknowledges."""

    def __init__(self, *, room: bool = True) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_open = True
        self.was_hung_up = False
        self.lost = 0
        self._room = asyncio.Event()
        if room:
            self._room.set()

    @property
    def unacknowledged(self) -> int:
        """What has not arrived."""
        return self.lost

    def listen(self, on_message: Callable[[str | bytes], None]) -> None:
        """Keep whom to tell."""
        self.says = on_message

    def send(self, text: str) -> bool:
        """Note it."""
        self.sent.append(json.loads(text))
        return self.is_open

    async def room(self) -> bool:
        """Wait until the test gives room."""
        await self._room.wait()
        return self.is_open

    def give_room(self) -> None:
        """The other side reads."""
        self._room.set()

    @property
    def seqs(self) -> list[int]:
        """The numbers of the log that came."""
        return [message["seq"] for message in self.sent if "seq" in message]


class Carried:
    """A carrier, its log and what it says of the picture."""

    def __init__(self) -> None:
        self.log = events.EventLog()
        self.session = FakeSession()
        self.pictures: list[str | None] = []
        self.carrier = DataCarrier(
            self.log,
            Commands(self.session, "data_channel", 16_384, 1000.0),
            asyncio.ensure_future,
        )
        self.new_peer(same_client=False)

    def new_peer(self, *, same_client: bool) -> None:
        """One that notes what it is to show."""
        self.carrier.expect(self.pictures.append, same_client=same_client)

    def happen(self, count: int) -> None:
        """So many events."""
        for _ in range(count):
            self.log.publish(events.message("user-started-speaking"))

    async def settle(self) -> None:
        """Let everything that can happen happen."""
        for _ in range(20):
            await asyncio.sleep(0)


async def test_nothing_is_told_before_the_client_is_ready() -> None:
    """Then it is answered, and told all from the beginning, in order."""
    carried, channel = Carried(), FakeChannel()
    carried.happen(3)
    carried.carrier.opened(channel)
    await carried.settle()
    assert channel.sent == []
    channel.says(READY)
    carried.happen(2)
    await carried.settle()
    assert (channel.sent[0]["type"], channel.sent[0]["id"]) == ("bot-ready", "1")
    assert channel.seqs == [1, 2, 3, 4, 5]
    carried.log.close()
    await carried.carrier.close()


async def test_a_client_that_comes_before_the_model_is_answered_when_it_is_there() -> None:
    """In the place of the log's announcement, which it does not get."""
    carried, channel = Carried(), FakeChannel()
    carried.session.is_ready = False
    carried.carrier.opened(channel)
    channel.says(READY)
    carried.happen(1)
    await carried.settle()
    assert [message["type"] for message in channel.sent] == ["user-started-speaking"]
    carried.log.publish(events.bot_ready("0.1.0"))
    await carried.settle()
    assert [message.get("id") for message in channel.sent if message["type"] == "bot-ready"] == ["1"]
    await carried.carrier.close()


async def test_what_was_lost_with_one_channel_is_told_over_the_next() -> None:
    """The same client does not say again that it is ready; it gets what may not have arrived, and what came since."""
    carried, first, second = Carried(), FakeChannel(), FakeChannel()
    carried.carrier.opened(first)
    first.says(READY)
    carried.happen(5)
    await carried.settle()
    first.lost, first.is_open = 2, False
    carried.happen(1)
    await carried.settle()
    carried.new_peer(same_client=True)
    carried.carrier.opened(second)
    carried.happen(1)
    await carried.settle()
    assert first.seqs == [1, 2, 3, 4, 5]
    assert second.seqs == [4, 5, 6, 7]
    await carried.carrier.close()


async def test_another_client_is_told_nothing_before_it_is_ready_itself() -> None:
    """And then from the beginning, or from where it says it was."""
    carried, first, second, third = Carried(), FakeChannel(), FakeChannel(), FakeChannel()
    carried.carrier.opened(first)
    first.says(READY)
    carried.happen(4)
    await carried.settle()
    carried.new_peer(same_client=False)
    carried.carrier.opened(second)
    await carried.settle()
    assert second.sent == []
    second.says(READY)
    await carried.settle()
    assert second.seqs == [1, 2, 3, 4]
    carried.new_peer(same_client=False)
    carried.carrier.opened(third)
    third.says(json.dumps({"type": "client-ready", "data": {"version": "2.1.0", "after": 3}}))
    await carried.settle()
    assert third.seqs == [4]
    await carried.carrier.close()


async def test_who_is_ready_twice_is_told_once() -> None:
    """A replay for each `client-ready` would be a way to make the gateway work."""
    carried, channel = Carried(), FakeChannel()
    carried.carrier.opened(channel)
    carried.happen(3)
    for _ in range(10):
        channel.says(READY)
    await carried.settle()
    assert channel.seqs == [1, 2, 3]
    assert len([message for message in channel.sent if message["type"] == "bot-ready"]) == 10
    await carried.carrier.close()


async def test_a_client_that_is_too_slow_misses_the_middle_and_is_told_so() -> None:
    """Memory stays bounded, the newest events are told, and a notice says that some were left out."""
    carried, channel = Carried(), FakeChannel(room=False)
    carried.carrier.opened(channel)
    channel.says(READY)
    await carried.settle()
    carried.happen(3000)
    await carried.settle()
    channel.give_room()
    for _ in range(200):
        await carried.settle()
    seqs = channel.seqs
    assert seqs == sorted(set(seqs))
    assert seqs[-2:] == [3000, 3001]
    assert len(seqs) < 3000
    assert channel.sent[-1]["data"]["code"] == "events_left_out"
    await carried.carrier.close()


async def test_the_end_is_told_before_the_channel_goes() -> None:
    """`close` waits for the last words, while the other side still takes them, and no longer than half a second."""
    carried, channel = Carried(), FakeChannel()
    carried.carrier.opened(channel)
    channel.says(READY)
    carried.log.publish(events.state("ended", "You ended the call.", code="user"))
    await carried.carrier.close()
    assert channel.sent[-1] == {"type": "signalling", "message": {"type": "peerLeft"}}
    stuck = Carried()
    never = FakeChannel(room=False)
    stuck.carrier.opened(never)
    never.says(READY)
    stuck.happen(1)
    await asyncio.wait_for(stuck.carrier.close(), 20 * data_carrier.LOOK_S * data_carrier.GOODBYE_LOOKS)


async def test_the_picture_follows_what_the_client_has_switched_on() -> None:
    """The screen before the camera, none when both are off; the same client's next peer goes on with that, another
    client begins with the camera."""
    carried, channel = Carried(), FakeChannel()
    carried.carrier.opened(channel)
    for index, enabled in ((1, False), (2, True), (1, True), (2, False)):
        message = {"type": "trackStatus", "receiver_index": index, "enabled": enabled}
        channel.says(json.dumps({"type": "signalling", "message": message}))
    assert carried.pictures == ["camera", None, "screen", "screen", "camera"]
    channel.says(json.dumps({"type": "signalling", "message": {**message, "receiver_index": 1}}))
    carried.new_peer(same_client=True)
    carried.new_peer(same_client=False)
    assert carried.pictures[5:] == [None, None, "camera"]


async def test_a_message_without_end_is_told_as_a_notice() -> None:
    """The channel is gone, so it is the log that says so."""
    carried = Carried()
    carried.carrier.dropped("malformed")
    carried.carrier.dropped("endless")
    [notice] = list(carried.log.subscribe()._queue)
    assert (notice["data"]["code"], "The call goes on" in notice["data"]["text"]) == ("data_channel", True)
