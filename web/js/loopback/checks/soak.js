// Owns the check of a call that lasts: whether anything grows that should not. It must not judge a moment: other checks
// do.
// Invariant: growth is judged only where it is beyond doubt.

import { chirp } from "../chirp.js";
import { growth, mean, round } from "../numbers.js";
import { DrawnCamera } from "../camera.js";

const CHIRP_EVERY_S = 2;
const GROWTH_LEAST_S = 30; // what grows in less is a beginning, not a trend
const GROWING = {
  rtt_ms: ({ rtt_ms: ms }) => ms,
  delay_ms: ({ gateway_wait_ms: ms }) => ms,
  jitter_buffer_ms: ({ jitter_buffer_ms: ms }) => ms,
  heap_mb: ({ heap_mb: mb }) => mb,
};

/** @type {import("../runner.js").Check} */
export const soak = {
  id: "soak",
  title: "Soak",
  about: "A call with sound and pictures that lasts: round trip, loss, waiting and memory over time.",
  async run(bench) {
    const { studio, kept, length } = bench;
    const [voice, camera] = [studio.voice(), new DrawnCamera()];
    const first = kept.samples.length;
    try {
      camera.show("moving");
      const mode = bench.testModes ? "echo" : "chosen";
      const line = await bench.line({ mode, microphone: voice.track, camera: camera.track });
      line.ear.close(); // what it keeps would grow
      const sound = chirp(studio.rateHz);
      for (let second = 0; second < length.soakS; second += CHIRP_EVERY_S) {
        voice.say(sound);
        await bench.wait(Math.min(CHIRP_EVERY_S, length.soakS - second));
      }
      return result(kept.samples.slice(first), length.soakS, line.losses);
    } finally {
      camera.stop();
    }
  },
};

/** @returns {import("../runner.js").Found} */
function result(samples, durationS, losses) {
  const beganMs = samples[0]?.at_ms ?? 0;
  const points = (value) =>
    samples
      .map((sample) => [round((sample.at_ms - beganMs) / 1000, 1), value(sample)])
      .filter(([, found]) => typeof found === "number");
  const newest = samples.at(-1)?.gateway;
  const losing = points(({ gateway }) => gateway?.peer?.audio.loss_percent).map(([, percent]) => percent);
  const grown = Object.entries(GROWING).map(([name, value]) => {
    const found = points(value);
    const told = durationS < GROWTH_LEAST_S ? undefined : growth(found.map(([at]) => at), found.map(([, is]) => is));
    return [`${name}_per_min`, told && round(60 * Math.max(0, told.sure), 1)];
  });
  /** @returns {import("../runner.js").Chart} */
  const chart = (caption, y, ...series) => ({
    kind: "chart",
    type: "line",
    caption,
    x: "s",
    y,
    series: series.map(([name, value]) => ({ name, points: points(value) })),
  });
  return {
    numbers: {
      duration_s: durationS,
      samples: samples.length,
      loss_percent: round(mean(losing), 1),
      ...Object.fromEntries(grown),
      underruns: newest?.voice.underruns,
      lost_calls: losses,
    },
    details: [
      chart("Round trip and jitter", "ms", ["round trip", GROWING.rtt_ms], ["jitter", ({ jitter_ms: ms }) => ms]),
      chart(
        "Waiting on the way",
        "ms",
        ["in the browser's buffer", GROWING.jitter_buffer_ms],
        ["sound of the microphone, in the gateway", GROWING.delay_ms],
        ["for the model's connection", ({ gateway }) => gateway?.link.waiting_audio_ms],
        ["voice to be played", ({ gateway }) => gateway?.voice.queued_ms],
      ),
      chart("Lost on the way up", "%", ["loss", ({ gateway }) => gateway?.peer?.audio.loss_percent]),
      chart("Memory of this page", "MB", ["heap", GROWING.heap_mb]),
    ],
  };
}
