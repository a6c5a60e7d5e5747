// Owns the pictures of the page and the light that moves with the model's voice. It must not know devices, peers or
// the gateway.
// Invariant: at most one picture of the model's is kept in memory, and its age is of the picture that is shown.

import { say, setText } from "./elements.js";

const TURN = { listening: "Listening", hearing: "Hearing you", thinking: "Thinking", speaking: "Speaking" };
const QUIET_DB = -55; // the codec's noise
const LOUD_DB = -12;
const AUDIBLE = 0.12; // of the light's range; then it is speaking, whatever was said before
const FALL = 0.85; // a frame; the light rises at once and falls softly
const DARK = 0.04; // of the light's range; less is not seen
const STEP = 0.005; // nor is a smaller change

/** The stage. */
export class Stage {
  #elements;
  #clock;
  #seenAtMs; // when the picture that is shown was taken
  #frameId;
  #light = 0;
  #turn = "listening";
  #held = false;

  /**
   * @param {Record<string, any>} elements
   * @param {{nowMs: () => number}} clock
   */
  constructor(elements, clock) {
    this.#elements = elements;
    this.#clock = clock;
    elements.selfView.muted = true; // the properties too: iOS looks at them
    elements.selfView.playsInline = true;
  }

  /** @param {MediaStreamTrack | undefined} camera @param {"user" | "environment"} facing */
  selfView(camera, facing) {
    const video = this.#elements.selfView;
    if (video.srcObject?.getVideoTracks()[0] === camera) return;
    video.srcObject = camera ? new MediaStream([camera]) : null;
    // People know themselves from the mirror; the model sees the picture as it is.
    video.dataset.facing = camera?.getSettings().facingMode ?? facing;
    video.dataset.on = String(camera !== undefined);
  }

  /** @param {string} words instead of the picture; empty while there is one */
  without(words) {
    say(this.#elements.selfWords, words);
  }

  /** @param {{picture: Blob, id: number, age_ms: number, width: number, height: number, bytes: number}} seen */
  frame({ picture, id, age_ms: ageMs, width, height, bytes }) {
    const { lastFrame, seen } = this.#elements;
    const before = lastFrame.src;
    lastFrame.src = URL.createObjectURL(picture);
    if (before) URL.revokeObjectURL(before);
    lastFrame.title = `${width}×${height}, ${Math.round(bytes / 1000)} KB`;
    seen.hidden = false;
    this.#frameId = id;
    this.#seenAtMs = this.#clock.nowMs() - ageMs;
    this.age();
  }

  /** Once a second: how old the picture is. */
  age() {
    if (this.#seenAtMs === undefined) return;
    const seconds = (this.#clock.nowMs() - this.#seenAtMs) / 1000;
    const age = seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
    setText(this.#elements.lastFrameAge, `Frame ${this.#frameId}, ${age} old`);
  }

  /** @param {"listening" | "hearing" | "thinking" | "speaking"} turn */
  turn(turn) {
    this.#turn = turn;
    this.#tellTurn();
  }

  /** @param {boolean} held the microphone waits for the model */
  hold(held) {
    this.#held = held;
    this.#tellTurn();
  }

  /**
   * Each frame of the screen: how loud the voice is.
   * @param {import("./sound.js").Level | undefined} level
   */
  voice(level) {
    const now = level ? Math.min(1, Math.max(0, (level.rmsDb - QUIET_DB) / (LOUD_DB - QUIET_DB))) : 0;
    const fallen = this.#light * FALL;
    const light = Math.max(now, fallen > DARK ? fallen : 0);
    if (Math.abs(light - this.#light) < STEP) return;
    const wasAudible = this.#light > AUDIBLE;
    this.#light = light;
    this.#elements.stage.style.setProperty("--voice", this.#light.toFixed(3));
    if (wasAudible !== this.#light > AUDIBLE) this.#tellTurn();
  }

  /** Nothing of the call before. */
  clear() {
    const { lastFrame, seen } = this.#elements;
    if (lastFrame.src) URL.revokeObjectURL(lastFrame.src);
    lastFrame.removeAttribute("src");
    seen.hidden = true;
    this.#seenAtMs = undefined;
    this.turn("listening");
  }

  #tellTurn() {
    const turn = this.#light > AUDIBLE ? "speaking" : this.#turn;
    this.#elements.turn.dataset.turn = turn;
    const waits = this.#held ? "; your microphone waits" : "";
    setText(this.#elements.turnWords, `${TURN[turn]}${waits}`);
  }
}
