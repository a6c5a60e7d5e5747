// Owns the small things that every part of the page does with elements. It must not know what they show.
// Invariant: text is only ever set as text, and only when it is another one: a screen reader would say it again.

/**
 * The elements of a page by their id, dashes as in `data-` attributes: `self-view` is `selfView`.
 * @param {Document} document
 * @returns {Record<string, any>} each of the kind that the page makes it
 */
export function elementsOf(document) {
  const named = [...document.querySelectorAll("[id]")].map((element) => [camelCase(element.id), element]);
  return Object.fromEntries(named);
}

/** @param {HTMLElement} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {HTMLElement} element @param {string} text empty to hide it */
export function say(element, text) {
  setText(element, text);
  element.hidden = !text;
}

/** @param {HTMLElement} element a button that is a switch */
export function press(element, pressed) {
  element.setAttribute("aria-pressed", String(pressed));
}

/**
 * Offer a choice.
 * @param {HTMLSelectElement} select
 * @param {{value: string, label: string}[]} options
 * @param {string} chosen
 */
export function offer(select, options, chosen) {
  const wanted = JSON.stringify(options);
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren(...options.map(({ value, label }) => new Option(label, value)));
  }
  select.value = chosen;
}

function camelCase(id) {
  return id.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
}
