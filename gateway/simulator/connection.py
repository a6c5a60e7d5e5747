"""One connection of a client to the simulated model.

Owns the conversation on one socket: setup, listening, answering, interruption, tools, handles, and the faults that are
scheduled for it. It must not know how the server accepts connections.
**Invariant: at most one answer is being spoken; whatever a client sends, the connection ends with a close code and a
text that the real service would use.**
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from websockets.exceptions import ConnectionClosed

from gateway.simulator import voice, wire
from gateway.simulator.answer import content, messages
from gateway.simulator.context import Context
from gateway.simulator.faults import At, Fault, Schedule, Script
from gateway.simulator.flavours import Flavour
from gateway.simulator.flow import Flow, Socket
from gateway.simulator.memory import Handles, Heard
from gateway.simulator.pace import Pace
from gateway.simulator.recorder import Recorder
from gateway.simulator.wire import Json, Refused

logger = logging.getLogger(__name__)

FASTER_THAN_REAL_TIME = 4.0  # the service is seen sending 2 to 5 times as fast as its speech plays
BIG_MESSAGE_BYTES = 1_200_000  # above the 1 MiB at which WebSocket clients give up by default
TOOL_GRACE_S = 0.5  # media that was on its way when a blocking call went out is forgiven


class Connection:
    """Serves one socket; `run` returns when it is closed."""

    def __init__(
        self,
        socket: Socket,
        heard: Heard,
        choose_flavour: Callable[[str], Flavour],
        script: Script,
        schedule: Schedule,
        handles: Handles,
        recorder: Recorder | None,
        *,
        remember: bool,
    ) -> None:
        self.heard = heard
        self._socket = socket
        self._choose_flavour = choose_flavour
        self._script, self._pace = script, Pace(script.think_ms, script.think_ms_per_fps)
        self._schedule = schedule
        self._handles = handles
        self._recorder = recorder
        self._remember = remember
        self._loop = asyncio.get_running_loop()
        self._opened_s = self._loop.time()
        self._flavour: Flavour
        self._setup: Json = {}
        self._context = Context()
        self._listener = voice.Listener()
        self._heard_bytes = 0
        self._manual: bytearray | None = None  # what is said between activityStart and activityEnd
        self._frames: list[bytes] = []  # since the last answer; only the newest is looked at
        self._frame_count = 0
        self._typed = ""
        self._turn = 0
        self._answering: asyncio.Task[None] | None = None
        self._flow = Flow(socket)
        self._calls: dict[str, str] = {}
        self._call_count = 0
        self._blocked_since_s: float | None = None
        self._poisoned = False
        self._chores: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until either side closes."""
        try:
            async for raw in self._socket:
                self._note("client", raw)
                await self._take(raw)
        except Refused as refusal:
            await self._close(refusal)
        except ConnectionClosed:
            pass
        finally:
            tasks = [task for task in (self._answering, *self._chores) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.heard.closed = True
            if self._recorder is not None:
                self._recorder.close()

    async def inject(self, fault: Fault) -> bool:
        """Let a fault happen now; False when the connection is not far enough for it, or over."""
        if not self._setup or self.heard.closed:
            return False
        try:
            await self._happen(fault)
        except Refused as refusal:
            await self._close(refusal)
        except ConnectionClosed:
            return False
        return True

    async def _close(self, refusal: Refused) -> None:
        logger.info("connection %d: close %d %s", self.heard.number, refusal.code, refusal.reason)
        await self._socket.close(refusal.code, refusal.reason)

    # Listening

    async def _take(self, raw: str | bytes) -> None:
        kind, body = wire.read(raw)
        if self._remember:
            self.heard.messages.append({kind: body})
        if (kind == "setup") == bool(self._setup):
            raise Refused(1007, wire.SETUP_FIRST)
        match kind:
            case "setup":
                await self._take_setup(body)
            case "realtimeInput":
                await self._take_realtime(body)
            case "clientContent":
                await self._take_content(body)
            case "toolResponse":
                await self._take_tool_response(body)
            case "contextUpdate":
                self._take_update(body)

    async def _take_setup(self, setup: Json) -> None:
        self._flavour = self._choose_flavour(str(setup.get("model", "")))
        wire.check_setup(setup, self._flavour)
        if handle := setup.get("sessionResumption", {}).get("handle"):
            self._context, self._poisoned = self._handles.take(handle)
        self._setup = self.heard.setup = setup
        detection = setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {})
        self._listener = voice.Listener(int(detection.get("silenceDurationMs", 500)))
        instruction = setup.get("systemInstruction", {}).get("parts", [])
        self._context = self._context.read("".join(part.get("text", "") for part in instruction))
        await self._faults("setup")
        await self._send(
            {"setupComplete": {"sessionId": f"session-{self.heard.number}"} if self._flavour.vertex else {}}
        )
        await self._give_handle()

    async def _take_realtime(self, body: Json) -> None:
        if "audio" in body:
            await self._check_tool_gate()
            mime_type, data = wire.blob(body["audio"])
            await self._hear(voice.to_16_khz(data, wire.rate_hz(mime_type)))
        elif "video" in body:
            await self._check_tool_gate()
            self._see(*wire.blob(body["video"]))
        elif "text" in body:
            self._typed += str(body["text"])
            if self._flavour.text_is_a_turn:
                await self._answer_text()
        elif "audioStreamEnd" in body:
            await self._heard_change(self._listener.end())
        elif "activityStart" in body:
            self._manual = bytearray()
            await self._heard_change(voice.Started())
        elif self._manual is not None:
            pcm, self._manual = bytes(self._manual), None
            await self._heard_change(voice.Ended(pcm, len(pcm) / 2 / voice.INPUT_HZ))

    async def _hear(self, pcm: bytes) -> None:
        if self._remember:
            self.heard.audio += pcm
            self.heard.audio_arrivals.append((self._loop.time(), len(pcm)))
        if self._recorder is not None:
            self._recorder.audio(pcm)
        duration_s = len(pcm) / 2 / voice.INPUT_HZ
        self._heard_bytes += len(pcm)
        self._context = self._context.hear(duration_s)
        await self._faults("audio", elapsed_s=self._heard_bytes / 2 / voice.INPUT_HZ)
        await self._listen(pcm)

    async def _listen(self, pcm: bytes) -> None:
        """Understand what was heard."""
        if self._manual is not None:
            self._manual += pcm
        elif not wire.detection_disabled(self._setup):
            for change in self._listener.feed(pcm):
                await self._heard_change(change)

    def _see(self, mime_type: str, data: bytes) -> None:
        if not mime_type.startswith("image/"):
            raise Refused(1007, wire.INVALID_ARGUMENT)
        if self._remember:
            self.heard.frames.append(data)
            self.heard.frame_arrivals.append(self._loop.time())
        if self._recorder is not None:
            self._recorder.frame(data)
        self._frames = [data]
        self._frame_count += 1
        self._pace.frame(self._loop.time())
        self._context = self._context.see(self._setup.get("generationConfig", {}).get("mediaResolution"))

    async def _heard_change(self, change: voice.Started | voice.Ended | None) -> None:
        if isinstance(change, voice.Started):
            if wire.interruptible(self._setup):
                await self._interrupt()
        elif isinstance(change, voice.Ended):
            said = f" [speech, {change.duration_s:.1f} s]"
            count, sight = self._look_back()
            words = voice.words_for_speech(change.duration_s, count, sight)
            self._answer(voice.say_back(change.pcm), words, said)

    async def _take_content(self, body: Json) -> None:
        wire.check_content(body)
        seeding = bool(self._setup.get("historyConfig", {}).get("initialHistoryInClientContent"))
        if not self._flavour.content_at_any_time and (not seeding or self._heard_bytes or self._turn):
            raise Refused(1007, wire.INVALID_ARGUMENT)
        turns = body.get("turns", [])
        for turn in turns:
            self._context = self._context.read("".join(part.get("text", "") for part in turn.get("parts", [])))
        if turns and turns[-1].get("role", "user") == "user":
            self._typed += "".join(part.get("text", "") for part in turns[-1].get("parts", []))
        if seeding and not self._flavour.content_at_any_time:
            self._typed = ""  # 3.1 files its initial history away unanswered
        elif body.get("turnComplete"):
            await self._answer_text()

    async def _answer_text(self) -> None:
        text, self._typed = self._typed.strip(), ""
        await self._interrupt()
        count, sight = self._look_back()
        self._answer(voice.hum(len(text.split())), voice.words_for_text(text, count, sight), "")

    def _look_back(self) -> tuple[int, voice.Sight | None]:
        """How many frames came since the last answer, and how the newest looks."""
        count, frames = self._frame_count, self._frames
        self._frame_count, self._frames = 0, []
        if not frames:
            return 0, None
        try:
            return count, voice.look(frames[-1])
        except ValueError:
            raise Refused(1007, wire.INVALID_ARGUMENT) from None

    def _take_update(self, body: Json) -> None:
        if "systemInstruction" in body:
            self._setup["systemInstruction"] = body["systemInstruction"]
        if "tools" in body:
            self._setup["tools"] = body["tools"].get("tools", [])

    # Answering

    def _answer(self, sound: bytes, words: str, heard_words: str) -> None:
        """Begin an answer, after the one that is being spoken."""
        before = self._answering
        self._answering = asyncio.create_task(self._speak(before, sound, words, heard_words))

    async def _speak(self, before: asyncio.Task[None] | None, sound: bytes, words: str, heard_words: str) -> None:
        if before is not None:
            await asyncio.wait([before])
        try:
            await self._speak_now(sound, words, heard_words)
        except Refused as refusal:
            await self._close(refusal)
        except ConnectionClosed:
            pass

    async def _speak_now(self, sound: bytes, words: str, heard_words: str) -> None:
        self._turn += 1
        turn = self._turn
        self._context = self._context.compress(self._setup.get("contextWindowCompression"))
        early_words = not self._flavour.first_chunk_bytes  # Gemini 3 tells what it heard after it has answered
        if early_words or self._poisoned:
            await self._send_heard(heard_words)
        if self._poisoned:
            return
        await asyncio.sleep(self._pace.think_s(self._loop.time()))
        if "sessionResumption" in self._setup:
            await self._send({"sessionResumptionUpdate": {}})  # not resumable while it generates
        spoken_s, empty = await self._send_speech(turn, sound, words)
        if not empty:
            await self._send(content(generationComplete=True))
        if not early_words:
            await self._send_heard(heard_words)
        await asyncio.sleep(spoken_s * (1 - 1 / FASTER_THAN_REAL_TIME))  # turnComplete waits for the playback
        self._context = self._context.say(spoken_s)
        await self._send_turn_complete(usage=True)
        await self._give_handle()
        await self._faults("turn", turn=turn)

    async def _send_speech(self, turn: int, sound: bytes, words: str) -> tuple[float, bool]:
        """Send the audio; (its seconds, whether a fault made the turn empty)."""
        spoken_s = 0.0
        transcribed = "outputAudioTranscription" in self._setup
        for duration_s, message in messages(sound, words, self._flavour, transcribed=transcribed):
            due = {fault.do for fault in await self._faults("speaking", turn=turn, elapsed_s=spoken_s)}
            if "in_progress" in due:
                await self._send(content(turnComplete=True, interactionStatus="IN_PROGRESS"))
                await self._socket.wait_closed()
            if "empty_turn" in due:
                return 0.0, True
            if self._flavour.interaction_status and not spoken_s:
                await self._send(content(interactionStatus="IN_PROGRESS"))
            await self._send(message)
            spoken_s += duration_s
            await asyncio.sleep(duration_s / FASTER_THAN_REAL_TIME)
        return spoken_s, False

    async def _send_heard(self, words: str) -> None:
        if words and "inputAudioTranscription" in self._setup:
            await self._send(content(inputTranscription={"text": words}))

    async def _send_turn_complete(self, *, usage: bool) -> None:
        status = {"interactionStatus": "IDLE"} if self._flavour.interaction_status else {}
        message = content(turnComplete=True, **status)
        if usage:
            message["usageMetadata"] = self._context.usage(vertex=self._flavour.vertex)
        await self._send(message)

    async def _interrupt(self) -> None:
        """Stop what is being said, as the person's voice or a new turn does."""
        if self._calls:
            await self._send({"toolCallCancellation": {"ids": list(self._calls)}})
            self._forget_calls()
        task = self._answering
        if task is None or task.done():
            return
        task.cancel()
        await asyncio.wait([task])
        self._answering = None
        await self._send(content(interrupted=True))
        await self._send_turn_complete(usage=True)
        await self._give_handle()

    async def _give_handle(self) -> None:
        if "sessionResumption" not in self._setup:
            return
        handle = self._handles.give(self._context, self.heard, poisoned=self._poisoned)
        await self._send({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}})

    # Tools

    async def _call_tools(self, wanted: list[tuple[str, Json]]) -> None:
        behaviours = {declared.get("name"): declared.get("behavior") for declared in wire.declarations(self._setup)}
        default = "BLOCKING" if self._flavour.blocking_tools else "NON_BLOCKING"
        calls = []
        for name, args in wanted:
            self._call_count += 1
            call_id = self._flavour.call_id.format(self.heard.number * 1000 + self._call_count)
            self._calls[call_id] = name
            calls.append({"id": call_id, "name": name, "args": args})
            if (behaviours.get(name) or default) == "BLOCKING":
                self._blocked_since_s = self._loop.time()
        await self._send({"toolCall": {"functionCalls": calls}})
        if self._flavour.vertex:
            await self._send_turn_complete(usage=False)  # the answer is a turn of its own
        await self._faults("tool")

    async def _check_tool_gate(self) -> None:
        """Media during a blocking call: the older families close, 3.8 takes the call back."""
        if self._blocked_since_s is None or self._loop.time() - self._blocked_since_s < TOOL_GRACE_S:
            return
        if self._flavour.blocking_tools:
            raise Refused(1008, wire.NOT_ENABLED)
        await self._send({"toolCallCancellation": {"ids": list(self._calls)}})
        self._forget_calls()

    async def _take_tool_response(self, body: Json) -> None:
        for response in body.get("functionResponses", []):
            call_id, result = response.get("id"), response.get("response")
            if call_id is None or not isinstance(result, dict):
                raise Refused(1007, wire.INVALID_ARGUMENT)
            if call_id not in self._calls:
                raise Refused(1008, wire.NOT_FOUND)
            name = self._calls[call_id]
            if response.get("willContinue"):
                continue
            del self._calls[call_id]
            if response.get("scheduling") != "SILENT":
                said = f"{name} says: {json.dumps(result)}"
                self._answer(voice.hum(len(said.split())), said, "")
        if not self._calls:
            self._blocked_since_s = None

    def _forget_calls(self) -> None:
        self._calls.clear()
        self._blocked_since_s = None

    # Faults

    async def _faults(self, at: At, *, turn: int = 1, elapsed_s: float = 0.0) -> list[Fault]:
        """Let happen what is due here, and return it."""
        due = self._schedule.due(at, self.heard.number, turn=turn, elapsed_s=elapsed_s)
        for fault in due:
            logger.info("connection %d: fault %s at %s", self.heard.number, fault.do, at)
            await self._happen(fault)
        return due

    async def _happen(self, fault: Fault) -> None:
        match fault.do:
            case "close":
                raise Refused(fault.code, fault.reason)
            case "abort":
                self._socket.transport.abort()
            case "stall" | "deaf" | "freeze":
                self._flow.stall(fault)
            case "interrupted":
                for _ in range(fault.times):
                    await self._send(content(interrupted=True))
            case "big_message":
                padding = {"searchEntryPoint": {"renderedContent": " " * BIG_MESSAGE_BYTES}}
                await self._send(content(groundingMetadata=padding))
            case "go_away":
                await self._send({"goAway": {"timeLeft": f"{fault.time_left_s:g}s"}})
                self._flow.hold_back()  # the service is seen silent between goAway and its end
                self._chore(self._deadline(fault.time_left_s))
            case "tool_call":
                also = [(str(more.get("name", "")), dict(more.get("args", {}))) for more in fault.also]
                await self._call_tools([(fault.name, fault.args), *also])
            case "error":
                await self._send({"error": {"code": fault.code, "message": fault.reason, "status": "INTERNAL"}})
            case "poison":
                self._poisoned = True
            case "empty_turn" | "in_progress" | "refuse":
                pass  # done by the one who asked

    async def _deadline(self, time_left_s: float) -> None:
        await asyncio.sleep(time_left_s)
        await self._close(Refused(1011, wire.DEADLINE))

    def _chore(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    # The socket

    async def _send(self, message: Json) -> None:
        await self._flow.pass_through()
        raw = json.dumps(message, separators=(",", ":")).encode()
        self._note("server", raw)
        await self._socket.send(raw)  # bytes: the service sends its JSON in binary frames

    def _note(self, sender: str, raw: str | bytes) -> None:
        if self._remember:
            self.heard.raw.append((sender, raw))
        if self._recorder is not None:
            self._recorder.message(self._loop.time() - self._opened_s, sender, raw)
