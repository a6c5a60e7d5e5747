// Owns what of a delay that moves goes on moving: what the buffers on the way held at each moment is taken off first, for
// buffers find their length in steps, and what is left is told with its error. It must not know sounds, peers or requests.
// Invariant: a buffer that changes its length is no drift; what is not beyond doubt counts as nothing, whatever it measures.

import { growth } from "./numbers.js";

// What no buffer tells of: the gateway takes its voice in pieces of 20 ms, browsers pass theirs on in pieces of 10.
const PIECES_S = 0.03;
const PASSING_S = 0.15; // before and after the middle of its way a chirp is in the gateway

/**
 * @typedef {object} Reading what was played out of the two buffers up to a moment, in sums that only grow
 * @property {number} atS by the clock of the trips
 * @property {number} browserWaitedS of all samples together
 * @property {number} browserPlayed samples
 * @property {number} gatewayWaitedS of all packets together
 * @property {number} gatewayPlayed packets
 *
 * @typedef {object} Passage one chirp that came back
 * @property {number} sentS
 * @property {number} delayS
 * @property {number} browserS how long it waited in the browser's jitter buffer
 * @property {number} gatewayS and in the gateway's
 * @property {number} restS of the delay, without both
 */

/**
 * @param {import("./chirp.js").Trip[]} trips
 * @param {Reading[]} readings in order
 * @returns {Passage[]} of those that were heard and whose waits are known
 */
export function passages(trips, readings) {
  const heard = trips.filter(({ delayS }) => delayS !== undefined);
  const arrivedS = heard.map(({ sentS, delayS }) => sentS + delayS);
  return heard.flatMap(({ sentS, delayS }, index) => {
    // Between two chirps nothing is heard, so halfway to its neighbours all is said of this one.
    const here = arrivedS[index];
    const [before, after] = [arrivedS[index - 1] ?? here - 0.6, arrivedS[index + 1] ?? here + 0.6];
    const browserS = wait(readings, "browser", (before + here) / 2, (here + after) / 2);
    const middleS = sentS + delayS / 2;
    const gatewayS = wait(readings, "gateway", middleS - PASSING_S, middleS + PASSING_S);
    if (browserS === undefined || gatewayS === undefined) return [];
    return [{ sentS, delayS, browserS, gatewayS, restS: delayS - browserS - gatewayS }];
  });
}

/**
 * How the rest of the delay goes on.
 * @param {Passage[]} all
 * @returns {{slope: number, error: number, sure: number} | undefined} seconds of delay a second, as of `growth`
 */
export function drift(all) {
  return growth(all.map(({ sentS }) => sentS), all.map(({ restS }) => restS), PIECES_S);
}

/** The mean wait of what was played between two moments; undefined when nothing was, or it is not known. */
function wait(readings, buffer, fromS, untilS) {
  const grown = (name) => at(readings, `${buffer}${name}`, untilS) - at(readings, `${buffer}${name}`, fromS);
  const waitS = grown("WaitedS") / grown("Played");
  return Number.isFinite(waitS) ? waitS : undefined;
}

/** A sum at a moment between readings; NaN outside of them. */
function at(readings, name, momentS) {
  const index = readings.findIndex(({ atS }) => atS >= momentS);
  if (index < 1) return NaN;
  const [before, after] = [readings[index - 1], readings[index]];
  return before[name] + ((momentS - before.atS) / (after.atS - before.atS)) * (after[name] - before[name]);
}
