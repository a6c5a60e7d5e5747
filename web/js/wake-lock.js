// Owns the wish that the screen stays on. It must not know why; `navigator` and `document` are given to it.
// Invariant: once released, no lock is held or asked for. A browser without wake locks, or one that refuses (low
// battery), is no failure: the call goes on.

/** Keeps the screen on while it is held. */
export class WakeLock {
  #navigator;
  #document;
  #lock;
  #held = false;

  /** @param {{navigator: Navigator, document: Document}} dependencies */
  constructor({ navigator, document }) {
    this.#navigator = navigator;
    this.#document = document;
  }

  /** Keep the screen on. The browser takes the lock away when the page is hidden, so it is asked for again. */
  async hold() {
    this.#held = true;
    this.#document.addEventListener("visibilitychange", this.#ask);
    await this.#ask();
  }

  /** The screen may go dark again. */
  async release() {
    this.#held = false;
    this.#document.removeEventListener("visibilitychange", this.#ask);
    await this.#lock?.release();
    this.#lock = undefined;
  }

  #ask = async () => {
    if (this.#document.visibilityState !== "visible") return;
    this.#lock = await this.#navigator.wakeLock?.request("screen").catch(() => undefined);
    if (!this.#held) await this.release();
  };
}
