// Owns the check of the round trip of sound: chirps go out, the gateway's echo brings them back, and what the buffers on
// the way hold is read meanwhile. It must not use this device's microphone and loudspeaker: their own delay is not in it.
// Invariant: sending and hearing are timed by one clock.

import { chirp, schedule, summary, trips } from "../chirp.js";
import { drift, passages } from "../drift.js";
import { fit, quantile, round } from "../numbers.js";

const LEAD_S = 2; // until the jitter buffers have found their length; they need something to play for that
const LEADING = [0.2, 0.8, 1.4];
const TAIL_S = 2;
const READ_MS = 250; // a chirp or two between readings

const milliseconds = (seconds) => round(seconds === undefined ? undefined : seconds * 1000, 1);
const perMillion = (share) => round(share === undefined ? undefined : share * 1e6);

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
    const readings = await read(line, beginS, bench.wait(LEAD_S + times.at(-1) + TAIL_S));
    const heard = line.ear.heard(beginS);
    const all = trips(heard, studio.rateHz, times);
    const told = summary(all);
    const passed = passages(all, readings);
    const drifts = drift(passed);
    const half = (name) => quantile(passed.map((one) => one[name]), 0.5);
    bench.keepSound(heard);
    return {
      numbers: {
        chirps: told.chirps,
        heard: told.heard,
        delay_ms: milliseconds(told.delayS),
        delay_p95_ms: milliseconds(told.delayP95S),
        browser_wait_ms: milliseconds(half("browserS")),
        gateway_wait_ms: milliseconds(half("gatewayS")),
        drift_ppm: drifts && perMillion(Math.abs(drifts.sure)),
        drift_measured_ppm: perMillion(drifts?.slope),
        drift_error_ppm: perMillion(drifts?.error),
        audio_clock_ppm: perMillion(slowness(readings)),
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
            series("delay", all, "delayS"),
            series("without both waits", passed, "restS"),
            series("of it, in the browser's buffer", passed, "browserS"),
            series("of it, in the gateway", passed, "gatewayS"),
          ],
        },
      ],
    };
  },
};

/** What the buffers hold, again and again until something is over. */
async function read(line, beginS, over) {
  const readings = [];
  let isOver = false;
  const done = over.finally(() => (isOver = true));
  done.catch(() => {}); // it is waited for below
  while (!isOver) {
    const reading = await line.waits();
    readings.push({ ...reading, atS: reading.atS - beginS });
    await Promise.race([done, new Promise((resolve) => setTimeout(resolve, READ_MS))]);
  }
  await done;
  return readings;
}

/** How much slower than its clock on the wall the browser's audio clock went: sound that was not asked for in time. */
function slowness(readings) {
  const line = fit(readings.map(({ atMs }) => atMs / 1000), readings.map(({ atS }) => atS));
  return line && 1 - line.slope;
}

function series(name, all, value) {
  const known = all.filter((one) => one[value] !== undefined);
  return { name, points: known.map((one) => [round(one.sentS, 2), milliseconds(one[value])]) };
}
