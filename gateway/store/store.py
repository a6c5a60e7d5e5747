"""Where the records of sessions are kept, who owns which, and which tokens are used up.

Owns the interface of a store, which one process keeps for itself or many nodes share. It must not know sessions: a
record is fields of plain JSON.
**Invariant: a session has one owner, which changes only when the former one has let go, has been silent for its lease,
or is known to be dead; each change raises the epoch, and what an owner of an older epoch writes is refused. Of many who
use a token once, one succeeds.**
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.errors import GatewayError

Fields = Mapping[str, Any]
FIRST_SAVE_S = 60.0  # an owner that has not saved anything by then died before it could


@dataclass(frozen=True, slots=True)
class Node:
    """One gateway process among those that share a store.

    `socket` is the path of its own Unix socket, for nodes on the same `machine`; `url` is where other machines reach
    its machine, on which another worker may take the request.
    """

    id: str
    machine: str = ""
    socket: str = ""
    url: str = ""
    sessions: int = 0
    draining: bool = False


@dataclass(frozen=True, slots=True)
class Ownership:
    """The right to write the record of a session; `epoch` is its fencing token."""

    session_id: str
    node_id: str
    epoch: int


class OwnedElsewhere(Exception):
    """Another node, which is alive, owns the session."""

    def __init__(self, node_id: str) -> None:
        super().__init__(f"node {node_id} owns this session")
        self.node_id = node_id


class OwnershipLost(Exception):
    """Another node has taken the session over: nothing of it may be written, or done, here any more."""


class StoreUnavailable(GatewayError):
    """The store cannot be reached; trying again helps when it is back."""

    code = "store_unavailable"
    http_status = 503
    retryable = True


class Store(Protocol):
    """Records, ownership and nodes. Each method may raise StoreUnavailable."""

    async def save(self, ownership: Ownership, fields: Fields, keep_s: float) -> None:
        """Set these fields of the record, remove those that are None, and keep all of it for so many seconds from now;
        raises OwnershipLost."""

    async def load(self, session_id: str) -> Fields | None:
        """The record; None when there is none any more."""

    async def use_once(self, token_id: str, keep_s: float) -> bool:
        """Use a token; False when it is used already. Remembered for so many seconds from now."""

    async def give_back(self, token_id: str) -> None:
        """The use came to nothing: the token can be used again."""

    async def spend(self, token_id: str, tokens: int, frames: int, keep_s: float) -> tuple[int, int]:
        """Add to what was spent with a token, and tell the sums; remembered for so many seconds from now."""

    async def bind(self, name: str, session_id: str, keep_s: float) -> None:
        """From now on the name means this session, for so many seconds, or until it means another."""

    async def bound(self, name: str) -> str | None:
        """The id of the session that the name means; it may have ended."""

    async def own(self, session_id: str, node_id: str, gone: str = "") -> Ownership:
        """Become the owner, in a new epoch, or stay it; raises OwnedElsewhere. `gone` is a node known to be dead,
        whatever its lease says."""

    async def release(self, ownership: Ownership) -> None:
        """Let go, so that another may own the session at once; the record stays."""

    async def owner(self, session_id: str) -> Node | None:
        """The living owner."""

    async def announce(self, node: Node, lease_s: float) -> None:
        """This node lives, for so many seconds from now."""

    async def leave(self, node_id: str) -> None:
        """This node is going; what it owns may be taken."""

    async def nodes(self) -> list[Node]:
        """All living nodes."""

    async def key(self) -> str:
        """A secret that only the nodes of this store know."""

    async def close(self) -> None:
        """Let go of what the store itself holds."""
