// Owns when the microphone waits for the model: for loudspeakers without echo cancelling, where the model would hear
// and interrupt itself. It must not know tracks, Web Audio or events.
// Invariant: while it is off the microphone is never held; while it is on, the microphone is open whenever the model has
// been silent for the tail of a room's echo.

const AUDIBLE_DB = -50; // RMS at the loudspeaker; noise of the codec in silence stays below -70
const TAIL_MS = 400; // the echo of a living room, and what a loudspeaker still holds

/** Decides; give it what is known ten times a second. */
export class HalfDuplex {
  #isOn = false;
  #loudMs = -Infinity;

  /** @param {boolean} isOn */
  set(isOn) {
    this.#isOn = isOn;
    this.#loudMs = -Infinity;
  }

  /** Whether it is on. */
  get isOn() {
    return this.#isOn;
  }

  /**
   * @param {number} nowMs
   * @param {import("./sound.js").Level | undefined} voice of the model, where it can be measured
   * @param {boolean} isSaidToSpeak by the gateway's events
   * @returns {boolean} whether the microphone is to be held
   */
  feed(nowMs, voice, isSaidToSpeak) {
    if (!this.#isOn) return false;
    if (isSaidToSpeak || (voice && voice.rmsDb >= AUDIBLE_DB)) this.#loudMs = nowMs;
    return nowMs - this.#loudMs < TAIL_MS;
  }
}
