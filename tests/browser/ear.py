"""What the browser really plays: the sound of the remote track, before the loudspeaker.

Every sample that the browser made of the packets is kept, in order: a page that is busy reads later, and loses none (a
node of Web Audio on the page's thread lost words when the machine was busy).
"""

from __future__ import annotations

import base64

import numpy as np
from playwright.async_api import Page

from tests.measure.sound import Samples

LISTEN = """() => {
  const element = document.getElementById('voice');
  const ear = (window.ear = {chunks: [], rateHz: 0, loud: 0, loudMs: 0});
  const read = async (track) => {
    const kept = 12_000; // two minutes of 10 ms that wait for the page
    const reader = new MediaStreamTrackProcessor({track, maxBufferSize: kept}).readable.getReader();
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      const chunk = new Float32Array(value.numberOfFrames);
      value.copyTo(chunk, {planeIndex: 0, format: 'f32-planar'});
      ear.rateHz = value.sampleRate;
      value.close();
      ear.chunks.push(chunk);
      if (!chunk.some((sample) => Math.abs(sample) > 0.01)) continue;
      ear.loud += 1;
      ear.loudMs = performance.now();
    }
  };
  let stream = null;
  const follow = () => {
    if (element.srcObject === stream || !element.srcObject) return;
    stream = element.srcObject;
    read(stream.getAudioTracks()[0].clone());
  };
  follow();
  setInterval(follow, 20); // a new connection brings a new stream
}"""

TAKE = """() => {
  const {chunks, rateHz} = window.ear;
  const all = new Float32Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
  const bytes = new Uint8Array(all.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return {rateHz, samples: btoa(text)};
}"""

LOUD_CHUNKS = 50  # of 10 ms: more than the chime before an answer
QUIET = """([chunks, quietMs]) => window.ear.loud > chunks && performance.now() - window.ear.loudMs > quietMs"""


async def listen(page: Page) -> None:
    """Begin; the page must have a remote track."""
    await page.evaluate(LISTEN)


async def quiet_again(page: Page, timeout_ms: float, quiet_s: float = 2.5) -> None:
    """Wait until sound was heard for a while and has then been over for so long."""
    await page.wait_for_function(QUIET, arg=[LOUD_CHUNKS, quiet_s * 1000], timeout=timeout_ms, polling=200)


async def heard(page: Page) -> tuple[Samples, int]:
    """Everything since `listen`, and its rate."""
    taken = await page.evaluate(TAKE)
    samples = np.frombuffer(base64.b64decode(taken["samples"]), dtype="<f4").astype(np.float64)
    return samples, int(taken["rateHz"])
