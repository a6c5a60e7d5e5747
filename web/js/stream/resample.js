// Owns the change of a sampling rate. It must not know where samples come from.
// Invariant: what is pushed in pieces comes out as if it had been pushed at once; above half of the lower rate nothing
// is left that could be heard.

const CROSSINGS = 12; // of the kernel on each side: −60 dB at the edges of what is let through
const PASS = 0.9; // of half the lower rate; the rest is the filter's slope

/** One channel from one rate to another. */
export class Resampler {
  #up;
  #down;
  #half;
  #kernels;
  #kept;
  #phase = 0; // of the next sample, in steps of 1 / #up of an input sample

  /**
   * @param {number} fromHz whole
   * @param {number} toHz whole
   */
  constructor(fromHz, toHz) {
    const common = divisor(fromHz, toHz);
    this.#up = toHz / common;
    this.#down = fromHz / common;
    const cutoff = (PASS * Math.min(fromHz, toHz)) / fromHz; // in half-cycles an input sample
    this.#half = Math.ceil(CROSSINGS / cutoff);
    this.#kernels = Array.from({ length: this.#up }, (_, phase) => kernel(phase / this.#up, this.#half, cutoff));
    this.#kept = new Float32Array(2 * this.#half - 1);
  }

  /**
   * @param {Float32Array} samples
   * @returns {Float32Array}
   */
  push(samples) {
    const all = new Float32Array(this.#kept.length + samples.length);
    all.set(this.#kept);
    all.set(samples, this.#kept.length);
    const count = Math.max(0, Math.ceil((samples.length * this.#up - this.#phase) / this.#down));
    const made = new Float32Array(count);
    for (let index = 0; index < count; index += 1) {
      const begin = Math.floor(this.#phase / this.#up);
      const taps = this.#kernels[this.#phase % this.#up];
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap += 1) sum += taps[tap] * all[begin + tap];
      made[index] = sum;
      this.#phase += this.#down;
    }
    this.#phase -= samples.length * this.#up;
    this.#kept = all.slice(samples.length);
    return made;
  }
}

/** A sinc under Blackman's window, between two input samples; its sum is 1. */
function kernel(offset, half, cutoff) {
  const taps = new Float32Array(2 * half);
  let sum = 0;
  for (let tap = 0; tap < taps.length; tap += 1) {
    const at = tap - half + 1 - offset;
    const x = Math.PI * cutoff * at;
    const turn = (Math.PI * at) / half;
    const window = Math.max(0, 0.42 + 0.5 * Math.cos(turn) + 0.08 * Math.cos(2 * turn));
    taps[tap] = (x ? Math.sin(x) / x : 1) * window;
    sum += taps[tap];
  }
  return taps.map((value) => value / sum);
}

function divisor(left, right) {
  return right ? divisor(right, left % right) : left;
}
