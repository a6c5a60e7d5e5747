// Owns the patience with which a lost peer is replaced. It must not know peers or HTTP: it is given the attempt.
// Invariant: one attempt runs at a time, and every attempt is told, by its signal, when it is no longer wanted.

import { delayMs } from "./backoff.js";

const PATIENCE_MS = 60_000;
const ATTEMPT_MS = 12_000; // an ICE check that has not succeeded by then starts better from fresh candidates

/** Attempts to get back, one after another. */
export class Reattach {
  #attempt;
  #clock;
  #round = new AbortController(); // one attempt, and the wait after it
  #stopped = false;

  /**
   * @param {object} dependencies
   * @param {(signal: AbortSignal) => Promise<void>} dependencies.attempt must reject when the signal aborts; rejects
   *   with a problem that `isGone` when no attempt can succeed any more
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} dependencies.clock
   */
  constructor({ attempt, clock }) {
    this.#attempt = attempt;
    this.#clock = clock;
  }

  /**
   * Try until it works.
   * @returns {Promise<boolean>} false when patience ran out or `stop()` was called; rejects when the session is gone
   */
  async run() {
    const deadlineMs = this.#clock.nowMs() + PATIENCE_MS;
    for (let failures = 0; !this.#stopped; failures += 1) {
      this.#round = new AbortController();
      if (await this.#succeeds(deadlineMs)) return true;
      const leftMs = deadlineMs - this.#clock.nowMs();
      if (leftMs <= 0) return false;
      await this.#pause(Math.min(delayMs(failures), leftMs));
    }
    return false;
  }

  /** The network has changed: give up what is under way and try again now. */
  hurry() {
    this.#round.abort();
  }

  /** The call is over. */
  stop() {
    this.#stopped = true;
    this.#round.abort();
  }

  async #succeeds(deadlineMs) {
    const round = this.#round;
    const limitMs = Math.min(ATTEMPT_MS, deadlineMs - this.#clock.nowMs());
    const limit = this.#clock.setTimeout(() => round.abort(), limitMs);
    try {
      await this.#attempt(round.signal);
      return true;
    } catch (problem) {
      if (problem.isGone) throw problem;
      return false;
    } finally {
      this.#clock.clearTimeout(limit);
    }
  }

  #pause(ms) {
    const { signal } = this.#round;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = this.#clock.setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        this.#clock.clearTimeout(timer);
        resolve();
      });
    });
  }
}
