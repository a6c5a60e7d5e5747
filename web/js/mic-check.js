// Owns the verdict on a microphone: from its levels to words. It must not know Web Audio, devices or clocks.
// Invariant: the verdict never says that a person is heard unless sound of a voice's strength came within the last
// seconds, and "nothing" only after digital silence, which no open microphone delivers.

const SPEECH_DB = -45; // RMS of quiet speech near a phone; a quiet room is near -60 (test.webrtc.org warns there)
const FAINT_DB = -62;
const CLIPPING_DB = -0.3; // peak; the last steps of the scale
const NOTHING_DB = -90; // peak below one step of 16-bit sound
const NOTHING_AFTER_MS = 3_000; // an iPhone may deliver zeros for a second after it gave the microphone back
const REMEMBERED_MS = 4_000; // a pause between sentences

/**
 * @typedef {"muted" | "taken" | undefined} Off why nothing is to be heard: by the person (or held), or by the system
 * @typedef {"unknown" | "muted" | "taken" | "nothing" | "waiting" | "faint" | "good" | "clipping"} MicCode
 * @typedef {{code: MicCode, words: string}} Verdict
 */

/** @type {Record<MicCode, string>} */
const WORDS = {
  unknown: "The level cannot be shown yet: tap the page once.",
  muted: "You are muted.",
  taken: "Your microphone is in use by a phone call or another app.",
  nothing: "Nothing comes from this microphone: look for a switch on it, or choose another one.",
  waiting: "Say something: the bar should move.",
  faint: "You are hard to hear: come closer or speak up.",
  good: "You are heard well.",
  clipping: "Too loud: move away a little.",
};

/** @type {MicCode[]} */
const BEST_FIRST = ["clipping", "good", "faint"]; // what is too loud is heard, but that is what to know of it

/** Judges one microphone over time. */
export class MicCheck {
  #heardMs = {};
  #somethingMs;

  /**
   * @param {number} nowMs
   * @param {import("./sound.js").Level | undefined} level
   * @param {Off} off
   * @returns {Verdict}
   */
  feed(nowMs, level, off) {
    const code = this.#judge(nowMs, level, off);
    return { code, words: WORDS[code] };
  }

  /** Another microphone. */
  reset() {
    this.#heardMs = {};
    this.#somethingMs = undefined;
  }

  /** @returns {MicCode} */
  #judge(nowMs, level, off) {
    if (off) {
      this.reset();
      return off;
    }
    if (!level) return "unknown";
    this.#somethingMs ??= nowMs;
    if (level.peakDb > NOTHING_DB) this.#somethingMs = nowMs;
    if (nowMs - this.#somethingMs >= NOTHING_AFTER_MS) return "nothing";
    if (level.peakDb >= CLIPPING_DB) this.#heardMs.clipping = nowMs;
    if (level.rmsDb >= SPEECH_DB) this.#heardMs.good = nowMs;
    if (level.rmsDb >= FAINT_DB) this.#heardMs.faint = nowMs;
    const recent = (code) => nowMs - (this.#heardMs[code] ?? -Infinity) < REMEMBERED_MS;
    return BEST_FIRST.find(recent) ?? "waiting";
  }
}
