"""What the simulator keeps: what each connection was sent, and the handles that bring conversations back.

Owns these records only; `connection.py` fills them. It must not know sockets or what messages mean.
**Invariant: a handle brings back the conversation as it was when the handle was given, and only once its connection is
closed.**
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.simulator import wire
from gateway.simulator.context import Context
from gateway.simulator.wire import Json, Refused

HANDLES_KEPT = 1000  # a simulator may run for days; the service forgets handles after two hours


@dataclass(slots=True)
class Heard:
    """What a connection was sent, kept for tests to look at."""

    number: int
    path: str
    headers: dict[str, str]
    setup: Json = field(default_factory=dict)
    audio: bytearray = field(default_factory=bytearray)  # 16 kHz mono s16le
    audio_arrivals: list[tuple[float, int]] = field(default_factory=list)  # (loop time, bytes)
    frames: list[bytes] = field(default_factory=list)
    frame_arrivals: list[float] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)  # of the client, keys in camelCase
    raw: list[tuple[str, str | bytes]] = field(default_factory=list)  # ("client" | "server", as on the wire)
    opened: bool = False  # `setupComplete` was sent
    closed: bool = False


class Handles:
    """The resumption handles one simulator has given out: what of a conversation each can bring back."""

    def __init__(self) -> None:
        self._given = 0
        self._kept: dict[str, tuple[Context, Heard, bool]] = {}

    def give(self, context: Context, heard: Heard, *, poisoned: bool) -> str:
        """A new handle for a conversation as it is now."""
        self._given += 1
        handle = f"handle-{self._given:04}"
        self._kept[handle] = context, heard, poisoned
        if len(self._kept) > HANDLES_KEPT:
            del self._kept[next(iter(self._kept))]
        return handle

    def take(self, handle: str) -> tuple[Context, bool]:
        """The conversation behind a handle and whether it is poisoned; raises Refused."""
        if handle not in self._kept:
            raise Refused(1007, wire.INVALID_ARGUMENT)
        context, heard, poisoned = self._kept[handle]
        if not heard.closed:
            raise Refused(1011, "The service is currently unavailable.")  # the earlier socket is still open
        return context, poisoned
