// Owns the list of captions. It must not know where they come from.
// Invariant: one item for each entry, in their order; whoever reads further up is left alone.

import { setText } from "./elements.js";

const NEAR_END_PX = 40;

/** The captions. */
export class CaptionList {
  #list;
  #items = new Map();

  /** @param {HTMLOListElement} list inside the element that scrolls */
  constructor(list) {
    this.#list = list;
  }

  /** @param {readonly import("./captions.js").Caption[]} entries */
  show(entries) {
    const scroller = this.#list.parentElement;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
    const keys = new Set(entries.map(({ key }) => key));
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      item.remove();
      this.#items.delete(key);
    }
    for (const entry of entries) this.#update(entry);
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }

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
