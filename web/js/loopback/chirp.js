// Owns the test sound of the round trip: what is sent, and what the sound that came back tells of the way. It must not
// know audio devices, peers or clocks: sounds are arrays, places in them are seconds.
// Invariant: a chirp counts as heard only where it fits better than half; the others are lost, and are never guessed.

import { correlate } from "./fft.js";
import { quantile } from "./numbers.js";

const LOW_HZ = 400; // a band that every codec and every loudspeaker has
const HIGH_HZ = 3400;
export const CHIRP_S = 0.12;
const AMPLITUDE = 0.5;
// Seconds from one chirp to the next. They differ, so that a delay longer than one of them is not mistaken.
const SPACINGS_S = [0.5, 0.62, 0.54, 0.7, 0.58, 0.66];
const DELAY_MAX_S = 4;
const HEARD = 0.5; // of a perfect fit; codecs keep more than 0.9, a hole in the chirp takes it below
const NEAR_S = 0.15; // how far a chirp may be from where the others are; beyond it is another event
const BIN_S = 0.01; // where most chirps are is looked for so finely, each counting half of NEAR_S around itself
const JUMP_S = 0.025; // between neighbours: more than one piece of the gateway's voice, 20 ms, which is chance

/**
 * A tone that rises, with soft ends.
 * @param {number} rateHz
 * @returns {Float32Array<ArrayBuffer>}
 */
export function chirp(rateHz) {
  const size = Math.round(CHIRP_S * rateHz);
  const sound = new Float32Array(size);
  for (let at = 0; at < size; at += 1) {
    const timeS = at / rateHz;
    const phase = 2 * Math.PI * (LOW_HZ * timeS + ((HIGH_HZ - LOW_HZ) * timeS ** 2) / (2 * CHIRP_S));
    const soft = Math.min(1, at / (0.01 * rateHz), (size - 1 - at) / (0.01 * rateHz));
    sound[at] = AMPLITUDE * soft * Math.sin(phase);
  }
  return sound;
}

/**
 * When to send so many chirps.
 * @param {number} count
 * @returns {number[]} seconds from the first
 */
export function schedule(count) {
  const times = [0];
  while (times.length < count) times.push(times.at(-1) + SPACINGS_S[(times.length - 1) % SPACINGS_S.length]);
  return times;
}

/**
 * @typedef {object} Trip one chirp on its way
 * @property {number} sentS
 * @property {number | undefined} delayS undefined when it was lost
 * @property {number} likeness of what came at its best place, 0 to 1
 */

/**
 * Find the chirps in what came back.
 * @param {Float32Array} sound everything that was heard
 * @param {number} rateHz
 * @param {number[]} sentS where in the sound, by the same clock, each chirp was sent
 * @returns {Trip[]}
 */
export function trips(sound, rateHz, sentS) {
  const pattern = chirp(rateHz);
  const energy = pattern.reduce((sum, sample) => sum + sample ** 2, 0);
  const reach = Math.round(DELAY_MAX_S * rateHz);
  const fits = sentS.map((atS) => {
    const from = Math.round(atS * rateHz);
    const window = sound.subarray(from, Math.min(sound.length, from + reach + pattern.length));
    return window.length > pattern.length ? { window, values: correlate(window, pattern) } : undefined;
  });
  const commonAt = bestTogether(fits, reach, rateHz);
  const near = Math.round(NEAR_S * rateHz);
  return sentS.map((atS, index) => {
    const found = fits[index] && bestOf(fits[index], Math.max(0, commonAt - near), commonAt + near, pattern, energy);
    const heard = found && found.likeness >= HEARD;
    return { sentS: atS, delayS: heard ? found.at / rateHz : undefined, likeness: found ? found.likeness : 0 };
  });
}

/** Around which delay most chirps fit best; they need not have the very same, for delays move. */
function bestTogether(fits, reach, rateHz) {
  const size = Math.round(BIN_S * rateHz);
  const around = Math.round(NEAR_S / 2 / BIN_S);
  const together = new Float64Array(Math.ceil((reach + 1) / size));
  for (const one of fits) {
    if (!one) continue;
    const bins = new Float64Array(together.length);
    const until = Math.min(reach + 1, one.values.length);
    for (let at = 0; at < until; at += 1) {
      const bin = Math.floor(at / size);
      bins[bin] = Math.max(bins[bin], Math.abs(one.values[at]));
    }
    together.forEach((_, bin) => {
      together[bin] += Math.max(...bins.subarray(Math.max(0, bin - around), bin + around + 1));
    });
  }
  const best = Math.max(...together);
  // The same from edge to edge of a plateau: its middle.
  const [first, last] = [together.indexOf(best), together.lastIndexOf(best)];
  return Math.round(((first + last) / 2 + 0.5) * size);
}

function bestOf({ window, values }, from, to, pattern, energy) {
  let best = from;
  const end = Math.min(values.length - 1, to);
  if (end < from) return undefined;
  for (let at = from; at <= end; at += 1) if (Math.abs(values[at]) > Math.abs(values[best])) best = at;
  let heardEnergy = 0;
  for (let at = best; at < best + pattern.length; at += 1) heardEnergy += window[at] ** 2;
  const likeness = heardEnergy > 1e-6 * energy ? Math.abs(values[best]) / Math.sqrt(heardEnergy * energy) : 0;
  return { at: best + between(values, best), likeness };
}

/** Where between samples the peak is, by the parabola through it and its neighbours. */
function between(values, at) {
  if (at === 0 || at === values.length - 1) return 0;
  const [before, here, after] = [values[at - 1], values[at], values[at + 1]];
  const bend = before - 2 * here + after;
  return bend === 0 ? 0 : (0.5 * (before - after)) / bend;
}

/**
 * What the trips tell.
 * @param {Trip[]} all
 * @returns {{chirps: number, heard: number, glitches: number, delayS: number | undefined,
 *   delayP95S: number | undefined}}
 */
export function summary(all) {
  const heard = all.filter(({ delayS }) => delayS !== undefined);
  const delays = heard.map(({ delayS }) => delayS);
  let glitches = all.length - heard.length;
  heard.forEach(({ delayS }, index) => {
    if (index > 0 && Math.abs(delayS - heard[index - 1].delayS) > JUMP_S) glitches += 1;
  });
  return {
    chirps: all.length,
    heard: heard.length,
    glitches,
    delayS: quantile(delays, 0.5),
    delayP95S: quantile(delays, 0.95),
  };
}
