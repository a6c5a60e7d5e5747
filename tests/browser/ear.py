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
  tap.connect(silent).connect(context.destination);
  let stream = null;
  const follow = () => {
    if (element.srcObject === stream || !element.srcObject) return;
    stream = element.srcObject;
    context.createMediaStreamSource(stream).connect(tap);
  };
  follow();
  setInterval(follow, 20); // a new connection brings a new stream
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


QUIET = """(blocks) => {
  const {chunks} = window.ear;
  const isLoud = (chunk) => chunk.some((sample) => Math.abs(sample) > 0.01);
  const loud = chunks.map(isLoud);
  return loud.filter(Boolean).length > 20 && !loud.slice(-blocks).some(Boolean);
}"""
BLOCK_S = 4096 / 48_000


async def quiet_again(page: Page, timeout_ms: float, quiet_s: float = 2.5) -> None:
    """Wait until sound was heard for a while (20 blocks) and has then been over for so long."""
    blocks = round(quiet_s / BLOCK_S)
    await page.wait_for_function(QUIET, arg=blocks, timeout=timeout_ms, polling=200)


async def heard(page: Page) -> tuple[Samples, int]:
    """Everything since `listen`, and its rate."""
    taken = await page.evaluate(TAKE)
    samples = np.frombuffer(base64.b64decode(taken["samples"]), dtype="<f4").astype(np.float64)
    return samples, int(taken["rateHz"])
