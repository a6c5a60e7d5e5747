// Owns how loud the microphone and the model's voice are at this moment, by Web Audio. It must not know what the levels
// mean, nor play anything.
// Invariant: what cannot be measured (no Web Audio, not unlocked yet, no track) is `undefined`, never zero.

const WINDOW_SAMPLES = 1024; // 21 ms at 48 kHz: a syllable is seen, a single wave is not
const FLOOR = 2 ** -16; // half a step of 16-bit sound: below it there is nothing, and the logarithm stays finite

/**
 * @typedef {object} Level
 * @property {number} peakDb dBFS: 0 is the loudest there can be
 * @property {number} rmsDb dBFS
 */

/** Meters for named tracks. */
export class Sound {
  #AudioContext;
  #MediaStream;
  #context;
  #closed = false;
  #meters = new Map();

  /**
   * @param {object} dependencies
   * @param {typeof AudioContext | undefined} dependencies.AudioContext
   * @param {typeof MediaStream} dependencies.MediaStream
   */
  constructor({ AudioContext, MediaStream }) {
    this.#AudioContext = AudioContext;
    this.#MediaStream = MediaStream;
  }

  /** Inside a tap, and whenever the page comes back: browsers start Web Audio only then. */
  unlock() {
    if (!this.#AudioContext || this.#closed) return;
    try {
      this.#context ??= new this.#AudioContext({ latencyHint: "interactive" });
    } catch {
      return; // the browser has no more of them, or no sound at all: a call needs no meters
    }
    // "suspended" before the first tap, "interrupted" on an iPhone after a call.
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
  }

  /** What plays and listens, once it was unlocked. @returns {AudioContext | undefined} */
  get context() {
    return this.#context;
  }

  /**
   * Listen to this track from now on, under this name.
   * @param {string} name
   * @param {MediaStreamTrack | undefined} track undefined to stop
   */
  listen(name, track) {
    const before = this.#meters.get(name);
    if (before?.track === track) return;
    before?.source?.disconnect();
    this.#meters.delete(name);
    if (track) this.#meters.set(name, { track });
  }

  /**
   * @param {string} name
   * @returns {Level | undefined}
   */
  level(name) {
    const meter = this.#meters.get(name);
    if (!meter || this.#context?.state !== "running") return undefined;
    if (!meter.analyser) this.#connect(meter);
    meter.analyser.getFloatTimeDomainData(meter.samples);
    let peak = 0;
    let power = 0;
    for (const sample of meter.samples) {
      peak = Math.max(peak, Math.abs(sample));
      power += sample * sample;
    }
    return { peakDb: decibels(peak), rmsDb: decibels(Math.sqrt(power / meter.samples.length)) };
  }

  /** Let go of everything. */
  close() {
    for (const name of [...this.#meters.keys()]) this.listen(name, undefined);
    this.#context?.close().catch(() => {});
    this.#closed = true;
  }

  #connect(meter) {
    meter.analyser = this.#context.createAnalyser();
    meter.analyser.fftSize = WINDOW_SAMPLES;
    meter.samples = new Float32Array(WINDOW_SAMPLES);
    meter.source = this.#context.createMediaStreamSource(new this.#MediaStream([meter.track]));
    meter.source.connect(meter.analyser);
  }
}

function decibels(amplitude) {
  return 20 * Math.log10(Math.max(amplitude, FLOOR));
}
