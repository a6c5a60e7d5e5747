"""What the browser really plays: the sound of the remote track, taken with Web Audio."""

from __future__ import annotations

import base64

import numpy as np
from playwright.async_api import Page

from tests.measure.sound import Samples

LISTEN = """async () => {
  const element = document.getElementById('voice');
  const context = new AudioContext();
  await context.resume();
  const tap = context.createScriptProcessor(4096, 1, 1);
  const silent = context.createGain();
  silent.gain.value = 0;
  const chunks = [];
  tap.onaudioprocess = (event) => chunks.push(Float32Array.from(event.inputBuffer.getChannelData(0)));
  context.createMediaStreamSource(element.srcObject).connect(tap).connect(silent).connect(context.destination);
  window.ear = {context, chunks};
}"""

TAKE = """async () => {
  const {context, chunks} = window.ear;
  const all = new Float32Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
  const bytes = new Uint8Array(all.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  const rateHz = context.sampleRate;
  await context.close();
  return {rateHz, samples: btoa(text)};
}"""


async def listen(page: Page) -> None:
    """Begin; the page must have a remote track."""
    await page.evaluate(LISTEN)


QUIET = """() => {
  const {chunks} = window.ear;
  const isLoud = (chunk) => chunk.some((sample) => Math.abs(sample) > 0.01);
  const loud = chunks.map(isLoud);
  return loud.filter(Boolean).length > 20 && !loud.slice(-30).some(Boolean);
}"""


async def quiet_again(page: Page, timeout_ms: float) -> None:
    """Wait until sound was heard for a while (20 blocks of 85 ms) and has been over for 2.5 s."""
    await page.wait_for_function(QUIET, timeout=timeout_ms, polling=200)


async def heard(page: Page) -> tuple[Samples, int]:
    """Everything since `listen`, and its rate."""
    taken = await page.evaluate(TAKE)
    samples = np.frombuffer(base64.b64decode(taken["samples"]), dtype="<f4").astype(np.float64)
    return samples, int(taken["rateHz"])
