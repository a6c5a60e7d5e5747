// Owns how long to wait before the next attempt. It must not know what is attempted, nor any timer.
// Invariant: the waits double from the first to the longest and never shrink.

const FIRST_MS = 500;
const LONGEST_MS = 8_000;

/**
 * The wait after a failed attempt.
 * @param {number} attempt 0 for the first attempt that failed
 * @returns {number} milliseconds
 */
export function delayMs(attempt) {
  return Math.min(FIRST_MS * 2 ** attempt, LONGEST_MS);
}
