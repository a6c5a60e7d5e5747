// Owns the check of the way down alone: a tone from the gateway, whatever this device says. It must not open devices.
// Invariant: what is heard is judged by what the browser really played.

import { browserSample } from "../line.js";
import { strongestHz } from "../fft.js";
import { gapsOf, rmsDbfs } from "../levels.js";
import { round } from "../numbers.js";

const SETTLE_S = 1; // until the browser's jitter buffer has found its length

/** @type {import("../runner.js").Check} */
export const voice = {
  id: "voice",
  title: "Voice from the gateway",
  about: "The gateway hums 440 Hz: whether it is heard, at the right pitch, without holes.",
  async run(bench) {
    bench.needTestModes();
    const line = await bench.line({ mode: "tone", microphone: bench.studio.voice().track });
    await bench.wait(SETTLE_S);
    const fromS = bench.studio.nowS;
    const before = browserSample(await line.peer.getStats());
    await bench.wait(bench.length.viewS);
    const after = browserSample(await line.peer.getStats());
    const sound = line.ear.heard(fromS);
    const { gaps, longestS } = gapsOf(sound, bench.studio.rateHz);
    const played = after.played_samples - before.played_samples;
    const concealed = Math.max(0, after.concealed_samples - before.concealed_samples);
    bench.keepSound(sound);
    bench.log(`${gaps} holes, the longest ${Math.round(longestS * 1000)} ms`);
    return {
      numbers: {
        pitch_hz: round(strongestHz(sound, bench.studio.rateHz), 1),
        level_dbfs: round(rmsDbfs(sound), 1),
        gaps,
        concealed_percent: played ? round((100 * concealed) / played, 1) : undefined,
        jitter_buffer_ms: after.jitter_buffer_ms,
      },
      details: [],
    };
  },
};
