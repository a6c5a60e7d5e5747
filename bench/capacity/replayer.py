"""Callers in a process of their own: `python -m bench.capacity.replayer --url … --scenario …`.

It is told on its standard input: `calls N` for so many callers, `figures FILE` for what it has seen. All calls are
served by one beat in steps of 1 ms, so that packets come spread over time, as from people who do not know each other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np

from bench.capacity.call import Call, Door, NotTaken
from bench.capacity.process import now_s, told
from bench.capacity.recording import marks, phase_s, picture, speech
from bench.capacity.scenario import SCENARIOS
from tests.integration.guarded import signed

TICK_S = 0.02
PHASES = 20


class Beat:
    """Serves each call every 20 ms, by the clock: what is late is made up for."""

    def __init__(self) -> None:
        self.phases: list[list[Call]] = [[] for _ in range(PHASES)]
        self.lates_s: list[float] = []

    def add(self, call: Call) -> None:
        """One more."""
        min(self.phases, key=len).append(call)

    async def run(self) -> None:
        """Until it is cancelled."""
        begun_s, step = now_s(), 0
        while True:
            due_s = begun_s + step * TICK_S / PHASES
            if (wait_s := due_s - now_s()) > 0:
                await asyncio.sleep(wait_s)
            calls = self.phases[step % PHASES]
            if calls:
                self.lates_s.append(max(0.0, now_s() - due_s))
            for call in calls:
                call.tick()
            step += 1
            if step % PHASES == 0 and wait_s <= 0:
                await asyncio.sleep(0)  # nobody else would have a turn


class Replayer:
    """All calls."""

    def __init__(self, url: str, door: Door, scenario: str, *, marked: bool) -> None:
        self._url, self._door = url, door
        self._scenario = SCENARIOS[scenario]
        self._sound = marks() if marked else speech(self._scenario.packet_ms)
        self._picture = picture(self._scenario.picture) if self._scenario.picture else ()
        self._beat = Beat()
        self._calls: list[Call] = []

    async def grow(self, client: aiohttp.ClientSession, count: int) -> None:
        """So many calls, one after the other; stops at the first that is not taken."""
        while (number := len(self._calls)) < count:
            call = Call(self._sound, self._scenario.picture, self._picture, phase_s(number))
            token = signed(sub=f"caller-{number}", exp=int(time.time()) + 3600)
            try:
                await call.open(client, self._url, self._door, token)
            except NotTaken as why:
                print(f"not taken: {why}", file=sys.stderr, flush=True)
                await call.close()
                return
            self._calls.append(call)
            self._beat.add(call)

    def figures(self) -> dict[str, object]:
        """What was seen."""
        lates_ms = np.array(self._beat.lates_s or [0.0]) * 1000
        return {
            "calls": len(self._calls),
            "late_p99_ms": float(np.percentile(lates_ms, 99)),
            "voice_packets": sum(call.received for call in self._calls),
            "key_frames": sum(call.key_frames for call in self._calls),
            "begins": [call.begins for call in self._calls],
            "marks": [call.marks for call in self._calls],
            "heard": [call.heard for call in self._calls],
        }

    async def run(self) -> None:
        """Do what is asked."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as client:
            beating = asyncio.create_task(self._beat.run())
            print("Ready: all", flush=True)
            async for words in told():
                match words:
                    case ["calls", count]:
                        await self.grow(client, int(count))
                        print(f"Live: {len(self._calls)}", flush=True)
                    case ["figures", path]:
                        text = json.dumps(self.figures())
                        await asyncio.to_thread(Path(path).write_text, text, encoding="utf-8")
                        print("written: all", flush=True)
            beating.cancel()
            await asyncio.gather(*(call.close() for call in self._calls), return_exceptions=True)


def main() -> None:
    """Run until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--door", choices=("sdp", "json"), default="sdp")
    parser.add_argument("--scenario", choices=tuple(SCENARIOS), required=True)
    parser.add_argument("--marks", action="store_true", help="tones to find again instead of speech")
    options = parser.parse_args()
    asyncio.run(Replayer(options.url, options.door, options.scenario, marked=options.marks).run())


if __name__ == "__main__":
    main()
