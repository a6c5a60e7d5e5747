"""Which function calls a link waits for, and whether media may be sent meanwhile.

Owns the open calls of one link. It must not know what a function does, nor clocks: time is an argument.
**Invariant: the gate is open when no blocking call is open, and at the latest `GATE_MAX_S` after the first one.**
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.live.messages import SetupOptions, ToolCall, blocks
from gateway.live.models import capabilities

GATE_MAX_S = 10.0  # then the person is heard again, whatever becomes of the call


class ToolGate:
    """The gate of one conversation."""

    def __init__(self, model: str, options: SetupOptions) -> None:
        self._blocking = {one.name for one in options.functions if blocks(model, one)}
        self._can_schedule = capabilities(model).async_tools
        self._open: set[str] = set()
        self._closed_s: float | None = None

    @property
    def has_calls(self) -> bool:
        """True while a call is open."""
        return bool(self._open)

    def waits_for(self, name: str) -> bool:
        """Whether the conversation stands still during calls of this function."""
        return name in self._blocking or not self._can_schedule

    def is_closed(self, now_s: float) -> bool:
        """True while media would end a call, or the link."""
        return self._closed_s is not None and now_s - self._closed_s < GATE_MAX_S

    def called(self, calls: Iterable[ToolCall], now_s: float) -> bool:
        """The model calls; True when that closes the gate."""
        calls = tuple(calls)
        self._open.update(call.id for call in calls if call.id)
        closes = any(self.waits_for(call.name) for call in calls)
        if closes and self._closed_s is None:
            self._closed_s = now_s
        return closes

    def over(self, call_ids: Iterable[str]) -> None:
        """These were answered or cancelled."""
        self._open.difference_update(call_ids)
        if not self._open:
            self._closed_s = None

    def reset(self) -> None:
        """Another link, which knows none of them."""
        self._open.clear()
        self._closed_s = None
