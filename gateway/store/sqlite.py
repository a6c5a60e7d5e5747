"""The store of the workers of one machine: a SQLite file in the directory they share.

Owns the file's tables and the one thread that reads and writes it. It must not know what is in a record.
**Invariant: each method is one transaction, so that what two workers do at once happens one after the other.**

Times are CLOCK_MONOTONIC, which all processes of a machine share; the file does not outlive the supervisor.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

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

BUSY_S = 5.0  # a transaction takes less than a millisecond; the machine may be busy
TABLES = """
CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, until REAL);
CREATE TABLE IF NOT EXISTS field (session TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (session, name))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (id TEXT PRIMARY KEY, told TEXT NOT NULL, until REAL);
CREATE TABLE IF NOT EXISTS purse (id TEXT PRIMARY KEY, tokens INTEGER, frames INTEGER, until REAL);
CREATE TABLE IF NOT EXISTS name (id TEXT PRIMARY KEY, session TEXT NOT NULL, until REAL);
CREATE TABLE IF NOT EXISTS token (id TEXT PRIMARY KEY, until REAL);
CREATE TABLE IF NOT EXISTS key (only INTEGER PRIMARY KEY CHECK (only = 1), secret TEXT NOT NULL);
"""


class SqliteStore:
    """A `Store` in a file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._database: sqlite3.Connection | None = None

    async def save(self, ownership: Ownership, fields: Fields, keep_s: float) -> None:
        """Set fields of a record."""

        def work(database: sqlite3.Connection) -> None:
            changed = database.execute(
                "UPDATE session SET until = ? WHERE id = ? AND owner = ? AND epoch = ?",
                (self._clock() + keep_s, ownership.session_id, ownership.node_id, ownership.epoch),
            ).rowcount
            if not changed:
                raise OwnershipLost
            for name, value in fields.items():
                if value is None:
                    database.execute("DELETE FROM field WHERE session = ? AND name = ?", (ownership.session_id, name))
                else:
                    row = (ownership.session_id, name, json.dumps(value))
                    database.execute("INSERT OR REPLACE INTO field VALUES (?, ?, ?)", row)

        await self._run(work)

    async def load(self, session_id: str) -> Fields | None:
        """Find a record."""

        def work(database: sqlite3.Connection) -> Fields | None:
            rows = database.execute(
                "SELECT name, value FROM field JOIN session ON id = session WHERE id = ? AND until > ?",
                (session_id, self._clock()),
            )
            return {name: json.loads(value) for name, value in rows} or None

        return await self._run(work)

    async def use_once(self, token_id: str, keep_s: float) -> bool:
        """Use a token."""

        def work(database: sqlite3.Connection) -> bool:
            database.execute("DELETE FROM token WHERE until <= ?", (self._clock(),))
            row = (token_id, self._clock() + keep_s)
            return database.execute("INSERT OR IGNORE INTO token VALUES (?, ?)", row).rowcount == 1

        return await self._run(work)

    async def give_back(self, token_id: str) -> None:
        """It was not used."""
        await self._run(lambda database: database.execute("DELETE FROM token WHERE id = ?", (token_id,)))

    async def spend(self, token_id: str, tokens: int, frames: int, keep_s: float) -> tuple[int, int]:
        """Add to what was spent."""

        def work(database: sqlite3.Connection) -> tuple[int, int]:
            database.execute("DELETE FROM purse WHERE until <= ?", (self._clock(),))
            row = database.execute(
                "INSERT INTO purse VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET "
                "tokens = tokens + ?2, frames = frames + ?3, until = ?4 RETURNING tokens, frames",
                (token_id, tokens, frames, self._clock() + keep_s),
            ).fetchone()
            return int(row[0]), int(row[1])

        return await self._run(work)

    async def bind(self, name: str, session_id: str, keep_s: float) -> None:
        """A name means a session."""

        def work(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM name WHERE until <= ?", (self._clock(),))
            row = (name, session_id, self._clock() + keep_s)
            database.execute("INSERT OR REPLACE INTO name VALUES (?, ?, ?)", row)

        await self._run(work)

    async def bound(self, name: str) -> str | None:
        """Which session it means."""

        def work(database: sqlite3.Connection) -> str | None:
            row = database.execute(
                "SELECT session FROM name WHERE id = ? AND until > ?", (name, self._clock())
            ).fetchone()
            return str(row[0]) if row else None

        return await self._run(work)

    async def own(self, session_id: str, node_id: str, gone: str = "") -> Ownership:
        """Become the owner of a session."""

        def work(database: sqlite3.Connection) -> Ownership:
            self._forget(database)
            row = database.execute("SELECT owner, epoch FROM session WHERE id = ?", (session_id,)).fetchone()
            owner, epoch = row or ("", 0)
            if owner == node_id:
                return Ownership(session_id, node_id, epoch)
            if owner and owner != gone and self._alive(database, owner):
                raise OwnedElsewhere(owner)
            database.execute(
                "INSERT INTO session VALUES (?1, ?2, 1, ?3) ON CONFLICT (id) DO UPDATE SET "
                "owner = ?2, epoch = epoch + 1, until = max(until, ?3)",
                (session_id, node_id, self._clock() + FIRST_SAVE_S),
            )
            return Ownership(session_id, node_id, epoch + 1)

        return await self._run(work)

    async def release(self, ownership: Ownership) -> None:
        """Let go of a session."""
        await self._run(
            lambda database: database.execute(
                "UPDATE session SET owner = '' WHERE id = ? AND owner = ? AND epoch = ?",
                (ownership.session_id, ownership.node_id, ownership.epoch),
            )
        )

    async def owner(self, session_id: str) -> Node | None:
        """Who owns a session."""

        def work(database: sqlite3.Connection) -> Node | None:
            row = database.execute(
                "SELECT told FROM node JOIN session ON owner = node.id "
                "WHERE session.id = ? AND node.until > ? AND session.until > ?",
                (session_id, self._clock(), self._clock()),
            ).fetchone()
            return _node(row) if row else None

        return await self._run(work)

    async def announce(self, node: Node, lease_s: float) -> None:
        """A node lives."""
        row = (node.id, json.dumps(asdict(node)), self._clock() + lease_s)
        await self._run(lambda database: database.execute("INSERT OR REPLACE INTO node VALUES (?, ?, ?)", row))

    async def leave(self, node_id: str) -> None:
        """A node goes."""
        await self._run(lambda database: database.execute("DELETE FROM node WHERE id = ?", (node_id,)))

    async def nodes(self) -> list[Node]:
        """All nodes."""

        def work(database: sqlite3.Connection) -> list[Node]:
            rows = database.execute("SELECT told FROM node WHERE until > ? ORDER BY id", (self._clock(),))
            return [_node(row) for row in rows]

        return await self._run(work)

    async def key(self) -> str:
        """The secret of this file."""

        def work(database: sqlite3.Connection) -> str:
            database.execute("INSERT OR IGNORE INTO key VALUES (1, ?)", (secrets.token_urlsafe(),))
            return str(database.execute("SELECT secret FROM key").fetchone()[0])

        return await self._run(work)

    async def close(self) -> None:
        """Close the file."""

        def work() -> None:
            if self._database is not None:
                self._database.close()

        await asyncio.get_running_loop().run_in_executor(self._thread, work)
        self._thread.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """One transaction, in the thread of the store."""

        def transaction() -> Result:
            try:
                database = self._open()
                database.execute("BEGIN IMMEDIATE")
                try:
                    result = work(database)
                except BaseException:
                    database.execute("ROLLBACK")
                    raise
                database.execute("COMMIT")
                return result
            except sqlite3.Error as error:
                raise _unavailable(self._path, error) from None

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = _connect(self._path)
        return self._database

    def _alive(self, database: sqlite3.Connection, node_id: str) -> bool:
        row = database.execute("SELECT 1 FROM node WHERE id = ? AND until > ?", (node_id, self._clock())).fetchone()
        return row is not None

    def _forget(self, database: sqlite3.Connection) -> None:
        now_s = self._clock()
        database.execute("DELETE FROM field WHERE session IN (SELECT id FROM session WHERE until <= ?)", (now_s,))
        database.execute("DELETE FROM session WHERE until <= ?", (now_s,))


def create(path: Path) -> None:
    """The file with its tables, for whoever is about to let several workers use it; raises StoreUnavailable.

    Of two that turn a new file to WAL at once SQLite refuses one, whatever the timeout, because each would wait for the
    other (sqlite.org/c3ref/busy_handler.html). A file that is in WAL stays so.
    """
    try:
        _connect(path).close()
    except sqlite3.Error as error:
        raise _unavailable(path, error) from None


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")  # a worker may die without loss; the machine takes all
    database.executescript(TABLES)
    return database


def _unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    return StoreUnavailable(f"The store {path} cannot be used: {error}.")


def _node(row: tuple[str]) -> Node:
    return Node(**json.loads(row[0]))
