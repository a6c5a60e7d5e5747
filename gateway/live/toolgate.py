"""Which function calls a link waits for, and whether media may be sent meanwhile.

Owns the open calls of one link. It must not know what a function does, nor clocks: time is an argument.
**Invariant: the gate is closed while a blocking call is open, and for `GATE_MAX_S` of each at most.**
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.live.messages import UNNAMED, SetupOptions, ToolCall, blocks
from gateway.live.models import capabilities

GATE_MAX_S = 10.0  # then the person is heard again, whatever becomes of the call


class ToolGate:
    """The gate of one conversation."""

    def __init__(self, model: str, options: SetupOptions) -> None:
        self._blocking = {one.name for one in options.functions if blocks(model, one)}
        self._can_schedule = capabilities(model).async_tools
        self._open: set[str] = set()
        self._closed_s: dict[str, float] = {}  # since when, by the blocking calls that are open

    @property
    def has_calls(self) -> bool:
        """True while a call is open."""
        return bool(self._open)

    def waits_for(self, name: str) -> bool:
        """Whether the conversation stands still during calls of this function."""
        return name in self._blocking or not self._can_schedule

    def is_closed(self, now_s: float) -> bool:
        """True while media would end a call, or the link."""
        return any(now_s - since_s < GATE_MAX_S for since_s in self._closed_s.values())

    def called(self, calls: Iterable[ToolCall], now_s: float) -> bool:
        """The model calls; True when that closes the gate."""
        blocking = False
        for call in calls:
            self._open.add(call.id or UNNAMED)
            if self.waits_for(call.name):
                self._closed_s[call.id or UNNAMED] = now_s
                blocking = True
        return blocking

    def over(self, call_ids: Iterable[str]) -> None:
        """These were answered or cancelled."""
        for call_id in call_ids:
            key = UNNAMED if call_id.startswith(UNNAMED) else call_id
            self._open.discard(key)
            self._closed_s.pop(key, None)

    def reset(self) -> None:
        """Another link, which knows none of them."""
        self._open.clear()
        self._closed_s.clear()
