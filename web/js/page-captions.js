// Owns the list of captions. It must not know where they come from.
// Invariant: one item for each entry, in their order; whoever reads further up is left alone.

import { setText } from "./elements.js";

const NEAR_END_PX = 40;

/** The captions. */
export class CaptionList {
  #list;
  #scroller;
  #items = new Map();
  #atEnd = true; // where the person left it

  /** @param {HTMLOListElement} list inside the element that scrolls */
  constructor(list) {
    this.#list = list;
    this.#scroller = list.parentElement;
    this.#scroller.addEventListener("scroll", () => {
      const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
      this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    });
    new ResizeObserver(() => this.#follow()).observe(this.#scroller); // a notice or a keyboard takes room
  }

  /** @param {readonly import("./captions.js").Caption[]} entries */
  show(entries) {
    const keys = new Set(entries.map(({ key }) => key));
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      item.remove();
      this.#items.delete(key);
    }
    for (const entry of entries) this.#update(entry);
    this.#follow();
  }

  #follow() {
    if (this.#atEnd) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** @param {import("./captions.js").Caption} entry */
  #update({ key, who, text, open, typed, cut }) {
    let item = this.#items.get(key);
    if (!item) {
      item = document.createElement("li");
      item.dataset.who = who;
      this.#list.append(item);
      this.#items.set(key, item);
    }
    item.setAttribute("aria-busy", String(open)); // screen readers wait for the whole of it
    item.toggleAttribute("data-typed", typed ?? false);
    item.toggleAttribute("data-cut", cut ?? false);
    setText(item, text);
  }
}
