// Owns the elements of the page. It must not know devices, peers or the gateway: it shows what a call hands to it, and
// says which button was pressed.
// Invariant: whatever the page shows of a call came from the last thing the call said; text is only ever set as text.

import { buttons, words } from "./call-state.js";

const BUTTONS = ["start", "mute", "camera", "flip", "end"];

/** The page, as the `View` of a call. */
export class Page {
  #document;
  #elements;
  #captionItems = new Map();

  /** @param {Document} document */
  constructor(document) {
    this.#document = document;
    const named = [...document.querySelectorAll("[id]")].map((element) => [element.id, element]);
    this.#elements = Object.fromEntries(named);
    this.#elements.hear.addEventListener("click", () => this.#play());
  }

  /** @param {Record<"start"|"mute"|"camera"|"flip"|"end", () => void>} handlers */
  onPress(handlers) {
    for (const name of BUTTONS) this.#elements[name].addEventListener("click", handlers[name]);
  }

  /** Forget the call before. */
  clear() {
    this.notice("", "info");
    this.note("");
    this.captions([]);
    this.#elements.unlock.hidden = true;
    this.#picture(undefined, "No picture has gone to the model yet.");
  }

  /** Inside a tap: lets the browser play what comes later without another one. */
  unlockVoice() {
    // There is nothing to play yet, so this may be refused or interrupted; what counts is `voice()`.
    this.#elements.voice.play().catch(() => {});
  }

  /** @param {string} text shown for as long as the page is open */
  banner(text) {
    this.#elements.banner.textContent = text;
    this.#elements.banner.hidden = false;
  }

  /** @param {import("./call-state.js").CallState} state */
  state(state) {
    const line = this.#elements.state;
    line.dataset.state = state.phase;
    setText(line, words(state));
    const enabled = buttons(state);
    for (const name of BUTTONS) this.#elements[name].disabled = !enabled[name];
    this.#elements.mute.setAttribute("aria-pressed", String(state.muted));
    this.#elements.camera.setAttribute("aria-pressed", String(state.cameraOn));
    if (state.phase === "ended") this.#silence();
  }

  /** @param {readonly import("./captions.js").Caption[]} entries */
  captions(entries) {
    const list = this.#elements.captions;
    const scroller = list.parentElement;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
    const keys = new Set(entries.map(({ key }) => key));
    for (const [key, item] of this.#captionItems) {
      if (keys.has(key)) continue;
      item.remove();
      this.#captionItems.delete(key);
    }
    for (const { key, who, text } of entries) setText(this.#captionItem(key, who), text);
    if (atEnd) scroller.scrollTop = scroller.scrollHeight; // whoever reads further up is left alone
  }

  /** @param {string} text empty to say nothing */
  notice(text, level) {
    const line = this.#elements.notice;
    line.dataset.level = level;
    line.textContent = text;
    line.hidden = !text;
  }

  /** @param {string} text the model keeps this in sight; empty takes it away */
  note(text) {
    this.#elements.note.hidden = !text;
    setText(this.#elements.note, text);
  }

  /** @param {MediaStreamTrack | undefined} camera */
  selfView(camera, facing) {
    const video = this.#elements["self-view"];
    video.srcObject = camera ? new MediaStream([camera]) : null;
    video.dataset.facing = facing;
  }

  /** @param {MediaStreamTrack} track */
  voice(track) {
    this.#elements.voice.srcObject = new MediaStream([track]);
    this.#play();
  }

  /** @param {Blob} picture */
  frame(picture, { id, age_ms: ageMs, width, height, bytes }) {
    const size = `${width}×${height}, ${Math.round(bytes / 1000)} KB`;
    this.#picture(picture, `Frame ${id}, ${Math.round(ageMs)} ms old, ${size}`);
  }

  /** @param {string} location kept where a test of the page finds it */
  session(location) {
    this.#document.documentElement.dataset.call = location;
  }

  #picture(picture, caption) {
    const image = this.#elements["last-frame"];
    const before = image.src;
    if (picture) image.src = URL.createObjectURL(picture);
    else image.removeAttribute("src");
    if (before) URL.revokeObjectURL(before);
    this.#elements["last-frame-age"].textContent = caption;
  }

  async #play() {
    const { voice, unlock } = this.#elements;
    try {
      await voice.play();
      unlock.hidden = true;
    } catch (error) {
      unlock.hidden = error.name !== "NotAllowedError"; // a newer voice interrupts an older one: no need to tap
    }
  }

  #silence() {
    this.#elements.voice.srcObject = null;
    this.#elements.unlock.hidden = true;
  }

  #captionItem(key, who) {
    let item = this.#captionItems.get(key);
    if (!item) {
      item = this.#document.createElement("li");
      item.dataset.who = who;
      this.#elements.captions.append(item);
      this.#captionItems.set(key, item);
    }
    return item;
  }
}

function setText(element, text) {
  // Setting the same text again would make a screen reader say it again.
  if (element.textContent !== text) element.textContent = text;
}
