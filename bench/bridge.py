"""A plain bridge, as one would write it first: the baseline of the network table.

`python -m bench.bridge --record DIR`: a page, one POST, a track that is read and written as 16 kHz PCM, and the
sentence played back by the library's own sender after the person has stopped to speak. The library is aiortc, or, in
an environment that has it instead, the same interface over libwebrtc (`wrtc` of PyPI).
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import signal
import wave
from pathlib import Path

import av
import numpy as np
from aiohttp import web

try:
    from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
except ImportError:
    from webrtc.aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

RATE_HZ = 16_000
PAGE = """<!doctype html><button id=start>Start</button><button id=end>End</button><script>
let pc;
document.getElementById("start").onclick = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  pc = new RTCPeerConnection();
  for (const track of stream.getTracks()) pc.addTrack(track, stream);
  pc.ontrack = ({ streams }) => { const a = new Audio(); a.srcObject = streams[0]; a.play(); window.a = a; };
  await pc.setLocalDescription();
  const answer = await (await fetch("/v1/sessions", { method: "POST", body: pc.localDescription.sdp })).text();
  await pc.setRemoteDescription({ type: "answer", sdp: answer });
};
document.getElementById("end").onclick = () => pc.close();
</script>"""


class Echo(MediaStreamTrack):
    """Plays what was said once it is over."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.samples: list[np.ndarray] = []
        self._next_s: float | None = None
        self._pts = 0

    async def recv(self) -> av.AudioFrame:
        """20 ms, paced."""
        loop = asyncio.get_running_loop()
        self._next_s = (self._next_s or loop.time()) + 0.02
        await asyncio.sleep(max(0.0, self._next_s - loop.time()))
        samples = self.samples.pop(0) if self.samples else np.zeros(320, dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._pts, fractions.Fraction(1, RATE_HZ)
        self._pts += 320
        return frame


class Bridge:
    """One call at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pcs: list[RTCPeerConnection] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def page(self, _: web.Request) -> web.Response:
        """The page."""
        return web.Response(text=PAGE, content_type="text/html")

    async def offer(self, request: web.Request) -> web.Response:
        """The one POST."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pcs.append(pc)
        call = Call(self._directory / f"{len(self._pcs)}")
        pc.addTrack(call.echo)

        @pc.on("track")
        def _(track: MediaStreamTrack) -> None:
            read = call.listen if track.kind == "audio" else call.look
            self._tasks.append(asyncio.create_task(read(track)))

        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(status=201, text=pc.localDescription.sdp, content_type="application/sdp")


class Call:
    """What is heard and seen, written down as the simulator does it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self.echo = Echo()
        self._directory = directory
        self._log = (directory / "messages.jsonl").open("w", encoding="utf-8")
        self._begun_s = asyncio.get_running_loop().time()

    async def listen(self, track: MediaStreamTrack) -> None:
        """16 kHz PCM, and an echo of what was said after 0.6 s of silence."""
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        said: list[np.ndarray] = []
        silent = 0
        with wave.open(str(self._directory / "audio.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE_HZ)
            while True:
                try:
                    frame = await track.recv()
                except Exception:
                    return
                for converted in resampler.resample(frame):
                    pcm = converted.to_ndarray().reshape(-1)
                    out.writeframes(pcm.tobytes())
                    self._note("audio")
                    loud = float(np.sqrt(np.mean(pcm.astype(float) ** 2))) > 300
                    silent = 0 if loud else silent + pcm.size
                    if loud or said:
                        said.append(pcm)
                    if silent > 0.6 * RATE_HZ and said:
                        line_of = np.concatenate(said)
                        self.echo.samples = [line_of[at : at + 320] for at in range(0, line_of.size - 320, 320)]
                        said = []

    async def look(self, track: MediaStreamTrack) -> None:
        """A JPEG a second."""
        loop, next_s, number = asyncio.get_running_loop(), 0.0, 0
        while True:
            try:
                frame = await track.recv()
            except Exception:
                return
            if loop.time() >= next_s:
                next_s, number = loop.time() + 1, number + 1
                frame.to_image().save(self._directory / f"frame-{number:04}.jpg")
                self._note("video")

    def _note(self, kind: str) -> None:
        at_s = asyncio.get_running_loop().time() - self._begun_s
        line = {"at_s": at_s, "from": "client", "message": {"realtimeInput": {kind: 1}}}
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", type=Path, required=True)
    bridge = Bridge(parser.parse_args().record)
    application = web.Application()
    application.add_routes([web.get("/", bridge.page), web.post("/v1/sessions", bridge.offer)])

    async def serve() -> None:
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"Open http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
        await asyncio.Event().wait()

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without one
    asyncio.run(serve())


if __name__ == "__main__":
    main()
