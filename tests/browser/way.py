"""A page's way to its gateway through the impairing relay: what either side tells of its addresses is rewritten."""

from __future__ import annotations

import re

from playwright.async_api import Page, Route

from gateway.impair import Conditions, Relay, host_candidate, without_candidates
from gateway.media.aiortc_internals import host_addresses

DESCRIPTIONS = re.compile(r"/v1/sessions(/[^/]+(/peer)?)?$")


class Way:
    """`await way.open(page)` before the call; then the two meet at `relay` only."""

    def __init__(self, up: Conditions, down: Conditions | None = None, seed: int = 1) -> None:
        self.relay = Relay(up, down, seed)
        self._used: list[Relay] = []

    async def open(self, page: Page) -> None:
        """Stand between this page and its gateway."""
        await page.route(DESCRIPTIONS, self._handle)

    async def another_network(self, up: Conditions, down: Conditions | None = None) -> None:
        """The way so far is gone for good; the browser finds the new one with its next description."""
        self.relay.change(Conditions(blackouts=((0.0, float("inf")),)))
        self.relay = Relay(up, down, seed=len(self._used) + 100)

    def close(self) -> None:
        """Close all relays."""
        for relay in self._used:
            relay.close()

    async def _handle(self, route: Route) -> None:
        body = route.request.post_data
        response = await route.fetch(post_data=without_candidates(body)) if body else await route.fetch()
        if "sdp" not in response.headers.get("content-type", ""):
            await route.fulfill(response=response)
            return
        text = await response.text()
        gateway = host_candidate(text)
        if gateway and self.relay not in self._used:
            self._used.append(self.relay)
            await self.relay.open(gateway, host_addresses()[0])
        await route.fulfill(response=response, body=self.relay.rewrite(text) if gateway else text)
