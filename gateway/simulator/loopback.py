"""Connections that understand nothing and are good for measuring: one says back at once what it hears, one hums a tone.

Owns these two ways to answer. It must not know how a connection is set up or ends.
**Invariant: whatever sound comes in goes out again, whole (echo); as much goes out as time passes, without a seam
(tone).**
"""

from __future__ import annotations

import asyncio
from functools import cached_property

from websockets.exceptions import ConnectionClosed

from gateway.simulator.answer import content, speech
from gateway.simulator.connection import Connection
from gateway.simulator.voice import Echo, Tone
from gateway.simulator.wire import Json

BEAT_MS = 40  # as the gateway's own messages


class EchoConnection(Connection):
    """Says back what it hears while it hears it."""

    @cached_property
    def _echo(self) -> Echo:
        return Echo(self._script.echo_drift_ppm)

    async def _listen(self, pcm: bytes) -> None:
        sound, is_over = self._echo.feed(pcm)
        if sound:
            await self._send(speech(sound, self._flavour))
        if is_over:
            await self._send(content(generationComplete=True))
            await self._send_turn_complete(usage=False)


class ToneConnection(Connection):
    """Hums one tone from its setup on, whatever it hears."""

    async def _take_setup(self, setup: Json) -> None:
        await super()._take_setup(setup)
        self._chore(self._hum())

    async def _listen(self, pcm: bytes) -> None:
        pass

    async def _hum(self) -> None:
        tone, begun_s, beats = Tone(), self._loop.time(), 0
        try:
            while True:
                await self._send(speech(tone.take(BEAT_MS), self._flavour))
                beats += 1
                await asyncio.sleep(begun_s + beats * BEAT_MS / 1000 - self._loop.time())
        except ConnectionClosed:
            pass
