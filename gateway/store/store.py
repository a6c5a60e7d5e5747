"""Where the records of sessions are kept, and what must be known of a token in every process.

Owns the interface of a store. It must not know sessions: a record is plain JSON.
**Invariant: a record that was saved is found until its time is over or it is deleted; of many who use a token once, one
succeeds.**
"""

from __future__ import annotations

from typing import Any, Protocol

Record = dict[str, Any]


class SessionStore(Protocol):
    """Records by session id, and which tokens for one use were used; both hold for all processes that share it."""

    async def save(self, session_id: str, record: Record, keep_s: float) -> None:
        """Keep this record for so many seconds from now; replaces the former one."""

    async def load(self, session_id: str) -> Record | None:
        """The record; None when there is none any more."""

    async def use_once(self, token_id: str, keep_s: float) -> bool:
        """Use a token; False when it is used already. Remembered for so many seconds from now."""

    async def give_back(self, token_id: str) -> None:
        """The use came to nothing: the token can be used again."""
