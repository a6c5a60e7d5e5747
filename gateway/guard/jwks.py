"""The public keys of a backend, fetched from its JWKS URL.

Owns the fetching, how long keys are kept, and how often is asked. It must not know tokens.
**Invariant: tokens with key ids that nobody has heard of cost the backend at most one request in `AGAIN_S`; keys that
were fetched are used while the backend is away, for a day and no longer.**
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import aiohttp

from gateway.errors import KeysUnavailable
from gateway.guard.keys import Key, jwks_keys
from gateway.guard.outgoing import Outgoing

logger = logging.getLogger(__name__)

FRESH_S = 600.0  # a key that was withdrawn is believed so long
KEPT_S = 86_400.0  # where the backend cannot be asked
AGAIN_S = 10.0
TIMEOUT_S = 5.0
DOCUMENT_MAX_BYTES = 256 * 1024

Fetch = Callable[[], Coroutine[Any, Any, bytes]]


class JwksKeys:
    """`Keys` of a JWKS; `clock` gives seconds."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._fetched_s = -math.inf
        self._asked_s = -math.inf
        self._asking = asyncio.Lock()

    async def named(self, kid: str | None) -> Sequence[Key]:
        """The key of this id, or all for a token that names none; raises KeysUnavailable.

        While one caller waits for a backend that dawdles, the others are served from what is kept.
        """
        kept = self._age_s <= KEPT_S and self._of(kid)
        if not kept or (self._age_s > FRESH_S and not self._asking.locked()):
            await self.refresh()
        if self._age_s > KEPT_S:
            raise KeysUnavailable("The keys to check tokens with cannot be fetched; please try again in a moment.")
        return self._of(kid)

    async def refresh(self) -> None:
        """Ask the backend, unless it was asked a moment ago. A failure is logged, and the former keys stay."""
        async with self._asking:
            if self._clock() - self._asked_s < AGAIN_S:
                return
            self._asked_s = self._clock()
            try:
                keys = jwks_keys(json.loads(await self._fetch()))
                if not keys:
                    raise ValueError("it has no RSA, P-256 or Ed25519 key for signatures")
            except (OSError, ValueError, TimeoutError, aiohttp.ClientError) as error:
                logger.warning("the keys of GATEWAY_JWKS_URL cannot be had: %s", str(error) or type(error).__name__)
                return
            self._keys, self._fetched_s = tuple(keys), self._clock()

    @property
    def _age_s(self) -> float:
        return self._clock() - self._fetched_s

    def _of(self, kid: str | None) -> tuple[Key, ...]:
        return tuple(key for key in self._keys if kid is None or key.kid in (None, kid))


def fetch_from(url: str, outgoing: Outgoing) -> Fetch:
    """The request for the document at this URL; without TLS it goes to listed addresses only."""
    connect = outgoing.open_socket if url.startswith("https:") else outgoing.open_listed_socket

    async def fetch() -> bytes:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=connect),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                trust_env=False,
            ) as client,
            client.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise ValueError(f"the answer is HTTP {response.status}")
            body = b""
            async for part in response.content.iter_any():
                body += part
                if len(body) > DOCUMENT_MAX_BYTES:
                    raise ValueError(f"it has more than {DOCUMENT_MAX_BYTES} bytes")
            return body

    return fetch
