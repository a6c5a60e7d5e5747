"""A plain aiortc bridge, as one would write it first: the baseline of the network table.

`python -m bench.stock --record DIR`: a page, one POST, a track that is read and written as 16 kHz PCM, and the sentence
played back by aiortc's own sender after the person has stopped to speak.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import wave
from pathlib import Path

import av
import numpy as np
from aiohttp import web
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

RATE_HZ = 16_000
PAGE = """<!doctype html><button id=start>Start</button><button id=end>End</button><script>
let pc;
document.getElementById("start").onclick = async () => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
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
        echo = Echo()
        pc.addTrack(echo)

        @pc.on("track")
        def _(track: MediaStreamTrack) -> None:
            if track.kind == "audio":
                self._tasks.append(asyncio.create_task(self._read(track, echo)))

        await pc.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(status=201, text=pc.localDescription.sdp, content_type="application/sdp")

    async def _read(self, track: MediaStreamTrack, echo: Echo) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        own = self._directory / "1"
        own.mkdir(parents=True)
        loop = asyncio.get_running_loop()
        begun_s, said, silent = loop.time(), [], 0
        with wave.open(str(own / "audio.wav"), "wb") as out, (own / "messages.jsonl").open("w") as log:
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
                    line = {"at_s": loop.time() - begun_s, "from": "client", "message": {"realtimeInput": {"audio": 1}}}
                    log.write(json.dumps(line) + "\n")
                    loud = float(np.sqrt(np.mean(pcm.astype(float) ** 2))) > 300
                    silent = 0 if loud else silent + 1
                    if loud or said:
                        said.append(pcm)
                    if silent == 30 and said:
                        line_of = np.concatenate(said)
                        echo.samples = [line_of[at : at + 320] for at in range(0, line_of.size - 320, 320)]
                        said = []


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

    asyncio.run(serve())


if __name__ == "__main__":
    main()
