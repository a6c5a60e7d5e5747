// Owns what was said and has not arrived yet, and how long it takes. It must not know sockets, samples or clocks.
// Invariant: a block is kept until it has been heard, or until it is older than `KEPT_MS`; numbers rise by one a
// block, also for one that is skipped.

import { SOUND_MS } from "./wire.js";

const KEPT_MS = 15_000; // a drop of five seconds, three tries to get back, and a reserve; the gateway takes 20 s at once
const LEAST_OVER_MS = 10_000; // the shortest delay of this time is that of the way itself

/** The blocks of one microphone. */
export class Spoken {
  /** @type {{seq: number, block: ArrayBuffer, sentMs: number | undefined}[]} */
  #unheard = [];
  /** @type {{atMs: number, delayMs: number}[]} rising delays of the last while: the first is the least */
  #least = [];
  #next = 0;
  #delayMs = 0;

  /** From a block to the word that it has arrived, the last time; `undefined` before the first. */
  get delayMs() {
    return this.#least.length ? this.#delayMs : undefined;
  }

  /** @returns {{seq: number, block: ArrayBuffer}[]} what has not arrived, oldest first */
  get unheard() {
    return this.#unheard;
  }

  /**
   * A block was spoken.
   * @param {ArrayBuffer} block
   * @returns {number} its number
   */
  add(block) {
    this.#unheard.push({ seq: this.#next, block, sentMs: undefined });
    if (this.#unheard.length > KEPT_MS / SOUND_MS) this.#unheard.shift();
    return this.#next++;
  }

  /** A block was spoken that nobody will hear. */
  skip() {
    this.#next += 1;
  }

  /** The block of this number has been sent. */
  sent(seq, nowMs) {
    const one = this.#unheard.find((kept) => kept.seq === seq);
    if (one) one.sentMs = nowMs;
  }

  /** All up to this number has arrived. */
  heard(seq, nowMs) {
    let newest;
    while (this.#unheard.length && this.#unheard[0].seq <= seq) newest = this.#unheard.shift();
    if (newest?.sentMs === undefined) return;
    this.#delayMs = nowMs - newest.sentMs;
    while (this.#least.length && this.#least.at(-1).delayMs >= this.#delayMs) this.#least.pop();
    this.#least.push({ atMs: nowMs, delayMs: this.#delayMs });
    while (nowMs - this.#least[0].atMs > LEAST_OVER_MS) this.#least.shift();
  }

  /** The way is another one: what the former was like means nothing. */
  begin() {
    this.#least = [];
    for (const one of this.#unheard) one.sentMs = undefined;
  }

  /** How much longer than need be sound takes at this moment. */
  lateMs(nowMs) {
    if (!this.#least.length) return 0;
    return Math.max(this.#delayMs, this.waitingMs(nowMs)) - this.#least[0].delayMs;
  }

  /** For how long the oldest block has been on its way. */
  waitingMs(nowMs) {
    const sentMs = this.#unheard[0]?.sentMs;
    return sentMs === undefined ? 0 : nowMs - sentMs;
  }
}
