"""The store of many machines: Redis.

Owns the keys and the scripts, each of which is atomic. It must not know what is in a record.
**Invariant: an owner is replaced, and a record is written, only inside a script that has seen who owns the session.**

Keys: `gateway:session:{id}` is a hash of `owner`, `epoch` and the fields of the record (`.name`);
`gateway:node:{id}` is a node as JSON, which expires with its lease; `gateway:nodes` is the set of their ids;
`gateway:purse:{token id}` is a hash of the `tokens` and `frames` that were spent with it;
`gateway:name:{name}` is the id of the session that a name means;
`gateway:token:{id}` stands while a used token could be used again.
One Redis holds them all: the scripts touch a session and a node at once, so Redis Cluster is not for this.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from gateway.store.store import (
    FIRST_SAVE_S,
    Fields,
    Node,
    OwnedElsewhere,
    Ownership,
    OwnershipLost,
    StoreUnavailable,
)

Result = TypeVar("Result")

TIMEOUT_S = 2.0  # a script takes far less than a millisecond; a partition must not hold a request up for long
PREFIX = "gateway:"
SAVE = """
if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[2] then return 0 end
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
OWN = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if owner == ARGV[1] then return {tonumber(redis.call('HGET', KEYS[1], 'epoch')), ''} end
if owner and owner ~= '' and owner ~= ARGV[2] and redis.call('EXISTS', ARGV[3] .. owner) == 1 then return {0, owner} end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {redis.call('HINCRBY', KEYS[1], 'epoch', 1), ''}
"""
RELEASE = """
if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] and redis.call('HGET', KEYS[1], 'epoch') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'owner', '')
end
return 1
"""
OWNER = """
local owner = redis.call('HGET', KEYS[1], 'owner')
if not owner or owner == '' then return false end
return redis.call('GET', ARGV[1] .. owner)
"""


class RedisStore:
    """A `Store` in Redis; `url` is `redis://`, `rediss://` or `unix://`, and its password goes before `password`."""

    def __init__(self, url: str, password: str | None = None) -> None:
        self._redis: Redis = Redis.from_url(
            url,
            password=password,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            decode_responses=True,
        )
        self._save = self._redis.register_script(SAVE)
        self._own = self._redis.register_script(OWN)
        self._release = self._redis.register_script(RELEASE)
        self._owner = self._redis.register_script(OWNER)

    async def save(self, ownership: Ownership, fields: Fields, keep_s: float) -> None:
        """Set fields of a record."""
        told: list[str] = []
        for name, value in fields.items():
            told += [f".{name}", "" if value is None else json.dumps(value)]
        arguments = [ownership.node_id, str(ownership.epoch), str(max(1, round(keep_s * 1000))), *told]
        if not await _asked(self._save([_session(ownership.session_id)], arguments)):
            raise OwnershipLost

    async def load(self, session_id: str) -> Fields | None:
        """Find a record."""
        found = await _asked(self._redis.hgetall(_session(session_id)))
        return {name[1:]: json.loads(value) for name, value in found.items() if name.startswith(".")} or None

    async def use_once(self, token_id: str, keep_s: float) -> bool:
        """Use a token."""
        keep_ms = max(1, round(keep_s * 1000))
        return bool(await _asked(self._redis.set(f"{PREFIX}token:{token_id}", "used", px=keep_ms, nx=True)))

    async def give_back(self, token_id: str) -> None:
        """It was not used."""
        await _asked(self._redis.delete(f"{PREFIX}token:{token_id}"))

    async def spend(self, token_id: str, tokens: int, frames: int, keep_s: float) -> tuple[int, int]:
        """Add to what was spent."""
        name = f"{PREFIX}purse:{token_id}"
        pipeline = self._redis.pipeline()
        pipeline.hincrby(name, "tokens", tokens)
        pipeline.hincrby(name, "frames", frames)
        pipeline.pexpire(name, max(1, round(keep_s * 1000)))
        all_tokens, all_frames, _ = await _asked(pipeline.execute())
        return int(all_tokens), int(all_frames)

    async def bind(self, name: str, session_id: str, keep_s: float) -> None:
        """A name means a session."""
        await _asked(self._redis.set(f"{PREFIX}name:{name}", session_id, px=max(1, round(keep_s * 1000))))

    async def bound(self, name: str) -> str | None:
        """Which session it means."""
        found = await _asked(self._redis.get(f"{PREFIX}name:{name}"))
        return None if found is None else str(found)

    async def own(self, session_id: str, node_id: str, gone: str = "") -> Ownership:
        """Become the owner of a session."""
        epoch, owner = await _asked(
            self._own([_session(session_id)], [node_id, gone, _node(""), round(FIRST_SAVE_S * 1000)])
        )
        if not epoch:
            raise OwnedElsewhere(owner)
        return Ownership(session_id, node_id, epoch)

    async def release(self, ownership: Ownership) -> None:
        """Let go of a session."""
        await _asked(self._release([_session(ownership.session_id)], [ownership.node_id, str(ownership.epoch)]))

    async def owner(self, session_id: str) -> Node | None:
        """Who owns a session."""
        found = await _asked(self._owner([_session(session_id)], [_node("")]))
        return Node(**json.loads(found)) if found else None

    async def announce(self, node: Node, lease_s: float) -> None:
        """A node lives."""
        pipeline = self._redis.pipeline()
        pipeline.set(_node(node.id), json.dumps(asdict(node)), px=round(lease_s * 1000))
        pipeline.sadd(f"{PREFIX}nodes", node.id)
        await _asked(pipeline.execute())

    async def leave(self, node_id: str) -> None:
        """A node goes."""
        pipeline = self._redis.pipeline()
        pipeline.delete(_node(node_id))
        pipeline.srem(f"{PREFIX}nodes", node_id)
        await _asked(pipeline.execute())

    async def nodes(self) -> list[Node]:
        """All nodes."""
        ids = sorted(await _asked(self._redis.smembers(f"{PREFIX}nodes")))
        found = await _asked(self._redis.mget([_node(node_id) for node_id in ids])) if ids else []
        if gone := [node_id for node_id, told in zip(ids, found, strict=True) if told is None]:
            await _asked(self._redis.srem(f"{PREFIX}nodes", *gone))
        return [Node(**json.loads(told)) for told in found if told is not None]

    async def key(self) -> str:
        """The secret of this Redis."""
        name = f"{PREFIX}key"
        await _asked(self._redis.set(name, secrets.token_urlsafe(), nx=True))
        return str(await _asked(self._redis.get(name)))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


async def _asked(asking: Awaitable[Result] | Any) -> Any:
    """The answer; raises StoreUnavailable."""
    try:
        return await asking
    except AuthenticationError:
        raise StoreUnavailable("Redis wants its password: set GATEWAY_STORE_PASSWORD to it.") from None
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"Redis cannot be reached: {error or type(error).__name__}.") from None


def _session(session_id: str) -> str:
    return f"{PREFIX}session:{session_id}"


def _node(node_id: str) -> str:
    return f"{PREFIX}node:{node_id}"
