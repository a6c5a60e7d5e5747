"""A model that costs little: it notes what comes, and speaks 40 % of the time.

`python -m bench.capacity.model`: a WebSocket server with the messages of `gateway.simulator`, encoded once. It answers
each loop of the recorded speech (`recording`) when the person has stopped: 4 s of every 10. What it hears is not
decoded; when each message came and how much sound was in it is kept, and told on the line `arrivals`.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.capacity.process import now_s, told
from bench.capacity.recording import LOOP_S, QUESTION, QUESTION_HZ, SPOKEN_S, phase_s
from gateway.simulator.answer import content, messages
from gateway.simulator.flavours import GEMINI_3_8
from gateway.simulator.voice import say_back
from tests.measure.sound import read_wav

ANSWER_S = 4.0
KEPT_MAX = 8  # connections whose sound is kept
ANSWER_AFTER_S = SPOKEN_S + 0.8  # the person's pause, and the thinking
FASTER_THAN_REAL_TIME = 4.0  # as the simulator and the service
WORDS = "This is what you have said to me, as far as I could hear it."
HEARD_WORDS = "This is what I say."


@dataclass
class Heard:
    """What came over one connection, by the clock of the machine."""

    audio: list[tuple[float, int]] = field(default_factory=list)  # when, and how many bytes of PCM
    frames: list[float] = field(default_factory=list)
    spoken: list[float] = field(default_factory=list)  # when each answer began
    interrupted: list[float] = field(default_factory=list)
    sound: list[tuple[float, str]] = field(default_factory=list)  # of the first connections, when delays are measured


def answer() -> list[tuple[float, str]]:
    """(seconds until the next, message) of one answer."""
    said = read_wav(QUESTION, QUESTION_HZ)[: int(QUESTION_HZ * ANSWER_S)]
    voice = say_back((said * 32767).astype("<i2").tobytes())[: int(ANSWER_S * 48_000)]
    parts = messages(voice, WORDS, GEMINI_3_8, transcribed=True)
    spoken = [(duration_s / FASTER_THAN_REAL_TIME, json.dumps(message)) for duration_s, message in parts]
    rest_s = ANSWER_S - sum(wait_s for wait_s, _ in spoken)
    usage = {"promptTokenCount": 900, "responseTokenCount": 100, "totalTokenCount": 1000}
    handle = {"newHandle": "handle", "resumable": True}
    return [
        (0.0, json.dumps({"sessionResumptionUpdate": {}})),
        *spoken,
        (0.0, json.dumps(content(generationComplete=True))),
        (rest_s, json.dumps(content(inputTranscription={"text": HEARD_WORDS}))),
        (0.0, json.dumps({**content(turnComplete=True), "usageMetadata": usage})),
        (0.0, json.dumps({"sessionResumptionUpdate": handle})),
    ]


class Model:
    """All connections."""

    def __init__(self) -> None:
        self._answer = answer()
        self._interrupts = False
        self.heard: list[Heard] = []

    def interrupt(self) -> None:
        """From now on each answer is interrupted in its middle, as when the person speaks over it."""
        self._interrupts = True

    async def serve(self, socket: ServerConnection) -> None:
        """One connection."""
        heard = Heard()
        number = len(self.heard)
        self.heard.append(heard)
        keeps = self._interrupts and len(self.heard) <= KEPT_MAX
        speaking: asyncio.Task[None] | None = None
        try:
            await socket.recv()
            await socket.send(json.dumps({"setupComplete": {}}))
            async for raw in socket:
                kind, data = understood(raw)
                if kind == "audio":
                    heard.audio.append((now_s(), len(data) * 3 // 4))
                    if keeps:
                        heard.sound.append((now_s(), data))
                    if speaking is None:
                        speaking = asyncio.create_task(self._speak(socket, heard, number))
                elif kind == "video":
                    heard.frames.append(now_s())
        except ConnectionClosed:
            pass
        finally:
            if speaking is not None:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)

    async def _speak(self, socket: ServerConnection, heard: Heard, number: int) -> None:
        """An answer in each loop, when this caller has spoken."""
        next_s = now_s() + (ANSWER_AFTER_S - phase_s(number)) % LOOP_S
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(max(0.0, next_s - now_s()))
                await self._say(socket, heard)
                next_s += LOOP_S

    async def _say(self, socket: ServerConnection, heard: Heard) -> None:
        begun = False
        for wait_s, message in self._answer:
            if wait_s > 0 and not begun:
                begun = True
                heard.spoken.append(now_s())
            await socket.send(message)
            if self._interrupts and "generationComplete" in message:
                await asyncio.sleep(ANSWER_S / 4)
                heard.interrupted.append(now_s())
                await socket.send(json.dumps(content(interrupted=True)))
                await socket.send(json.dumps(content(turnComplete=True)))
                return
            await asyncio.sleep(wait_s)


def understood(raw: str | bytes) -> tuple[str, str]:
    """(`audio`, `video` or nothing, the media in base64) of a client's message; any SDK's way to write it."""
    message = json.loads(raw)
    realtime = message.get("realtimeInput") or message.get("realtime_input") or {}
    chunks = realtime.get("mediaChunks") or realtime.get("media_chunks") or [{}]
    for kind in ("audio", "video"):
        if kind in realtime:
            return kind, str(realtime[kind]["data"])
    mime_type = str(chunks[0].get("mimeType") or chunks[0].get("mime_type") or "")
    kind = {"audio": "audio", "image": "video"}.get(mime_type.partition("/")[0], "")
    return kind, str(chunks[0].get("data", ""))


async def main() -> None:
    """Serve, and do what is asked: `arrivals FILE`, `interrupt`."""
    model = Model()
    async with serve(model.serve, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(f"URL=ws://127.0.0.1:{port}", flush=True)
        async for words in told():
            match words:
                case ["arrivals", path]:
                    text = json.dumps([asdict(heard) for heard in model.heard])
                    await asyncio.to_thread(Path(path).write_text, text, encoding="utf-8")
                    print("written: all", flush=True)
                case ["interrupt"]:
                    model.interrupt()
                    print("interrupts: all", flush=True)
        server.close()


if __name__ == "__main__":
    asyncio.run(main())
