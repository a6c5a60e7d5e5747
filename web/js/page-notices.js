// Owns what the page says beside the state line. It must not know what the notices mean.
// Invariant: a warning or an error stays until it is dismissed, pushed out by newer ones or replaced by one of its code.

const SHOWN = 3;
const INFO_MS = 10_000; // it stands in the events too

/** A short stack of notices, the newest last. */
export class Notices {
  #element;
  #clock;

  /**
   * @param {HTMLElement} element
   * @param {{setTimeout: Function}} clock
   */
  constructor(element, clock) {
    this.#element = element;
    this.#clock = clock;
  }

  /**
   * @param {{code: string, text: string, level: "info" | "warning" | "error"}} notice
   */
  show({ code, text, level }) {
    this.dismiss(code);
    const item = document.createElement("p");
    Object.assign(item.dataset, { code, level });
    const words = document.createElement("span");
    words.textContent = text;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "Dismiss", onclick: () => item.remove() });
    item.append(words, button);
    this.#element.append(item);
    while (this.#element.children.length > SHOWN) this.#element.firstElementChild.remove();
    if (level === "info") this.#clock.setTimeout(() => item.remove(), INFO_MS);
  }

  /** @param {string} code */
  dismiss(code) {
    for (const item of this.#element.querySelectorAll("p")) if (item.dataset.code === code) item.remove();
  }

  /** Nothing of the call before. */
  clear() {
    this.#element.replaceChildren();
  }
}
