// Owns how long to wait before the next attempt. It must not know what is attempted, nor any timer.
// Invariant: the waits double from the first to the longest and never shrink; from the third on, clients that lost the
// gateway at the same moment do not come back at the same moment.

const FIRST_MS = 500;
const LONGEST_MS = 8_000;
const EXACT = 2; // the first two are short: whoever lost the network alone gets back as fast as can be
const SPREAD = 0.25;

/**
 * The wait after a failed attempt.
 * @param {number} attempt 0 for the first attempt that failed
 * @param {number} [chance] 0 to 1; how much of the spread is taken off
 * @returns {number} milliseconds
 */
export function delayMs(attempt, chance = Math.random()) {
  const longestMs = Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS);
  return attempt < EXACT ? longestMs : longestMs * (1 - SPREAD * chance);
}
