// Owns what the keyboard does outside of buttons and fields: Space and Escape. It must not know elements or the call.
// Invariant: a key that is for a button, a list or a field is left to it; Escape never ends a call by itself.

const HELD_MS = 400; // longer: hold to talk; shorter: a switch

/** @typedef {"mute" | "unmute" | "close" | "to-end" | undefined} KeyAction */

/** Space switches the microphone, or opens it for as long as it is held; Escape closes Details, or leads to End. */
export class Keys {
  #downMs;

  /**
   * @param {{type: "keydown" | "keyup", key: string, repeat: boolean}} event
   * @param {object} now
   * @param {number} now.nowMs
   * @param {boolean} now.isTaken a button, a list or a field has the focus
   * @param {boolean} now.canMute
   * @param {boolean} now.muted
   * @param {boolean} now.detailsOpen
   * @param {boolean} now.canEnd
   * @returns {KeyAction}
   */
  feed(event, now) {
    if (event.key === "Escape" && event.type === "keydown") {
      if (now.detailsOpen) return "close";
      return now.canEnd ? "to-end" : undefined;
    }
    if (event.key !== " ") return undefined;
    return event.type === "keydown" ? this.#down(event, now) : this.#up(now);
  }

  /** @returns {KeyAction} */
  #down({ repeat }, { nowMs, isTaken, canMute, muted }) {
    if (repeat || isTaken || !canMute) return undefined;
    if (!muted) return "mute";
    this.#downMs = nowMs;
    return "unmute";
  }

  /** @returns {KeyAction} */
  #up({ nowMs }) {
    const lastedMs = nowMs - (this.#downMs ?? nowMs);
    this.#downMs = undefined;
    return lastedMs >= HELD_MS ? "mute" : undefined;
  }
}
