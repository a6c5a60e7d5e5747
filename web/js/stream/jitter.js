// Owns the buffer between the voice as it comes and the voice as it is played. It must not know Web Audio, sockets or
// clocks: who pulls samples is the clock.
// Invariant: what is not flushed or cut is played once, in order; after a flush or a cut the voice is silent within
// `FADE_MS`; each number is told as heard when it has been played, or will never be.

import { VOICE_HZ, VOICE_MS } from "./wire.js";

const CHUNK = (VOICE_HZ * VOICE_MS) / 1000;
const WAIT_LEAST_MS = 80;
const WAIT_MOST_MS = 320;
const WAIT_STEP_MS = 60; // more, after the voice came too late
const FADE_MS = 10; // long enough not to click

/** One voice. */
export class Jitter {
  /** @type {{seq: number, samples: Float32Array}[]} */
  #chunks = [];
  #at = 0; // within the first of them
  #isPlaying = false;
  #waitMs = WAIT_LEAST_MS;
  #waitedSamples = 0;
  #silence = 0; // samples of it, before the first chunk
  #expected = 0;
  #voidBefore = 0;
  #fade = new Float32Array(0);
  /** @type {number | undefined} */
  #heard;

  /** Samples that wait. */
  get queued() {
    return this.#chunks.reduce((total, { samples }) => total + samples.length, -this.#at);
  }

  /** The last number that was played, or flushed. */
  get heard() {
    return this.#heard;
  }

  /** The numbers begin anew. */
  begin() {
    this.#voidBefore = 0;
    this.#heard = undefined;
  }

  /** 20 ms came. @param {number} seq @param {Float32Array} samples */
  push(seq, samples) {
    if (seq < this.#voidBefore) return;
    if (!this.#isPlaying && !this.#chunks.length) {
      this.#waitedSamples = 0;
      // It ran dry in the middle of speech: the network was slower than what was waited for.
      if (seq === this.#expected && seq) this.#waitMs = Math.min(WAIT_MOST_MS, this.#waitMs + WAIT_STEP_MS);
    }
    this.#chunks.push({ seq, samples });
  }

  /** Voice before this number is not to be played any more. */
  flush(before) {
    this.#voidBefore = before;
    this.#keep(({ seq }) => seq >= before);
    this.#heard = before - 1;
  }

  /** What waits is not to be played: it comes again under other numbers. */
  cut() {
    this.#keep(() => false);
  }

  /** The next samples to be heard. @param {number} count @returns {Float32Array} */
  pull(count) {
    const made = new Float32Array(count);
    let filled = this.#pullFade(made);
    if (!this.#isPlaying) this.#wait(count);
    while (this.#isPlaying && filled < count) filled += this.#pullSome(made, filled);
    return made;
  }

  /** Fall silent, and go on with the chunks that are wanted. */
  #keep(isWanted) {
    const next = this.#chunks[0];
    if (this.#isPlaying && next && !this.#silence) {
      const length = Math.min((VOICE_HZ * FADE_MS) / 1000, next.samples.length - this.#at);
      this.#fade = next.samples.slice(this.#at, this.#at + length).map((sample, index) => sample * (1 - index / length));
    }
    this.#chunks = this.#chunks.filter(isWanted);
    this.#at = this.#silence = 0;
    this.#isPlaying = false;
  }

  #pullFade(made) {
    const some = this.#fade.subarray(0, made.length);
    made.set(some);
    this.#fade = this.#fade.slice(some.length);
    return some.length;
  }

  #wait(count) {
    if (!this.#chunks.length) return;
    this.#waitedSamples += count; // the last words of a sentence may be shorter than what is waited for
    if (Math.max(this.queued, this.#waitedSamples) < (this.#waitMs * VOICE_HZ) / 1000) return;
    this.#isPlaying = true;
    this.#expected = this.#chunks[0].seq;
  }

  #pullSome(made, filled) {
    if (this.#silence) {
      const some = Math.min(this.#silence, made.length - filled);
      this.#silence -= some;
      return some;
    }
    const { samples } = this.#chunks[0];
    const some = samples.subarray(this.#at, this.#at + made.length - filled);
    made.set(some, filled);
    this.#at += some.length;
    if (this.#at === samples.length) this.#next();
    return some.length;
  }

  /** A chunk was played. */
  #next() {
    const { seq } = this.#chunks.shift();
    this.#heard = seq;
    this.#expected = seq + 1;
    this.#at = 0;
    if (!this.#chunks.length) this.#isPlaying = false;
    else this.#silence = Math.max(0, this.#chunks[0].seq - this.#expected) * CHUNK; // numbers that were left out
  }
}
