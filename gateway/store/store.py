"""Where the records of sessions are kept.

Owns the interface of a store. It must not know sessions: a record is plain JSON.
**Invariant: a record that was saved is found until its time is over or it is deleted.**
"""

from __future__ import annotations

from typing import Any, Protocol

Record = dict[str, Any]


class SessionStore(Protocol):
    """Records by session id."""

    async def save(self, session_id: str, record: Record, keep_s: float) -> None:
        """Keep this record for so many seconds from now; replaces the former one."""

    async def load(self, session_id: str) -> Record | None:
        """The record; None when there is none any more."""
