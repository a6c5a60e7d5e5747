// Owns the check of the round trip of sound: chirps go out, the gateway's echo brings them back. It must not use this
// device's microphone and loudspeaker: their own delay is not in it.
// Invariant: sending and hearing are timed by one clock.

import { chirp, schedule, summary, trips } from "../chirp.js";
import { round } from "../numbers.js";

const LEAD_S = 2; // until the jitter buffers have found their length; they need something to play for that
const LEADING = [0.2, 0.8, 1.4];
const TAIL_S = 2;

/** @type {import("../runner.js").Check} */
export const roundTrip = {
  id: "round_trip",
  title: "Round trip of sound",
  about: "Chirps through the gateway and back: mouth to ear in milliseconds, drift of the clocks, glitches.",
  async run(bench) {
    bench.needTestModes();
    const { studio } = bench;
    const voice = studio.voice();
    const line = await bench.line({ mode: "echo", microphone: voice.track });
    const [sound, times] = [chirp(studio.rateHz), schedule(bench.length.chirps)];
    const beginS = studio.nowS + LEAD_S;
    for (const atS of LEADING) voice.say(sound, beginS - LEAD_S + atS);
    for (const atS of times) voice.say(sound, beginS + atS);
    await bench.wait(LEAD_S + times.at(-1) + TAIL_S);
    const heard = line.ear.heard(beginS);
    const all = trips(heard, studio.rateHz, times);
    const told = summary(all);
    const delayMs = (seconds) => round(seconds === undefined ? undefined : seconds * 1000, 1);
    bench.keepSound(heard);
    return {
      numbers: {
        chirps: told.chirps,
        heard: told.heard,
        delay_ms: delayMs(told.delayS),
        delay_p95_ms: delayMs(told.delayP95S),
        drift_ppm: told.sureDrift === undefined ? undefined : round(Math.abs(told.sureDrift) * 1e6),
        drift_measured_ppm: told.drift && round(told.drift.slope * 1e6),
        drift_error_ppm: told.drift && round(told.drift.slopeError * 1e6),
        glitch_percent: round((100 * told.glitches) / told.chirps, 1),
      },
      details: [
        {
          kind: "chart",
          type: "scatter",
          caption: "Mouth to ear over time",
          x: "s",
          y: "ms",
          series: [
            {
              name: "delay",
              points: all
                .filter(({ delayS }) => delayS !== undefined)
                .map(({ sentS, delayS }) => [round(sentS, 2), round(delayS * 1000, 1)]),
            },
          ],
        },
      ],
    };
  },
};
