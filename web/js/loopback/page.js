// Owns the elements of the loopback page: controls, cards, charts. It must not know how checks work: it shows what it is
// given, and says what the person wants.
// Invariant: text is only ever set as text; a verdict is told by a word and a sign, never by a colour alone; behind
// every chart there is a table.

import { elementsOf } from "../elements.js";
import { HEIGHT, marks, swatch, WIDTH } from "./chart.js";
import { plainWords } from "./words.js";

const SIGNS = { PASS: "✓", WARN: "!", FAIL: "✕", SKIP: "–", RUNNING: "…" };
const NUMBERS_SHOWN = 6; // on the card itself; all of them are in its details
const ROWS_SHOWN = 400;

/**
 * An element with what is in it.
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string | undefined)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** The page. */
export class Page {
  #cards = new Map();
  #urls = [];

  constructor() {
    /** @type {Record<string, any>} by id, each of the kind that the page makes it */
    this.elements = elementsOf(document);
  }

  /** @param {import("./runner.js").Check[]} checks */
  list(checks) {
    for (const { id, title, about } of checks) {
      const chosen = element("input", { type: "checkbox", id: `choose-${id}`, checked: "" });
      const card = {
        chosen,
        badge: element("span", { class: "badge" }),
        reason: element("p", { class: "reason" }),
        numbers: element("dl", { class: "numbers" }),
        compared: element("p", { class: "compared", hidden: "" }),
        inside: element("div", { class: "inside" }),
      };
      card.more = element("details", { hidden: "" }, element("summary", {}, "Details"), card.inside);
      card.item = element(
        "li",
        { class: "card", id: `check-${id}` },
        element(
          "div",
          { class: "head" },
          element("label", { class: "choice" }, chosen, element("span", { class: "unseen" }, `Choose ${title}`)),
          element("h3", {}, title),
          card.badge,
        ),
        element("p", { class: "about" }, about),
        card.reason,
        card.numbers,
        card.compared,
        card.more,
      );
      this.#cards.set(id, card);
      this.elements.checks.append(card.item);
    }
  }

  /** @returns {string[]} ids of the checks that are chosen */
  get chosen() {
    return [...this.#cards].filter(([, { chosen }]) => chosen.checked).map(([id]) => id);
  }

  /** @param {string[]} ids */
  choose(ids) {
    for (const [id, { chosen }] of this.#cards) chosen.checked = ids.includes(id);
  }

  /** Forget the run before. */
  clear() {
    for (const url of this.#urls.splice(0)) URL.revokeObjectURL(url);
    for (const card of this.#cards.values()) {
      delete card.item.dataset.verdict;
      card.badge.textContent = "";
      card.reason.textContent = "";
      card.numbers.replaceChildren();
      card.inside.replaceChildren();
      card.more.hidden = card.compared.hidden = true;
    }
  }

  /** @param {string} id a check that has begun */
  began(id) {
    const card = this.#cards.get(id);
    this.#badge(card, "RUNNING", "running");
    card.reason.textContent = "";
  }

  /**
   * @param {import("./report.js").CheckReport} report
   * @param {object[]} details
   */
  ended({ id, verdict, reason, numbers, log }, details) {
    const card = this.#cards.get(id);
    this.#badge(card, verdict, verdict);
    card.reason.textContent = reason;
    const plain = Object.entries(numbers).filter(([, value]) => typeof value !== "object");
    card.numbers.replaceChildren(...plain.slice(0, NUMBERS_SHOWN).map(([name, value]) => pair(name, value)));
    const all = Object.entries(numbers)
      .map(([name, value]) => [name, plainWords(value)])
      .filter(([, words]) => words !== undefined);
    card.inside.replaceChildren(
      ...details.map((detail) => this.#detail(detail)),
      ...(all.length ? [table("All numbers", ["Number", "Value"], all)] : []),
      ...(log.length ? [element("pre", { class: "log", tabindex: "0" }, log.join("\n"))] : []),
    );
    card.more.hidden = !card.inside.childElementCount;
  }

  /** @param {ReturnType<import("./report.js").compare>} changes */
  compared(changes) {
    for (const { id, change, was, regressed, numbers } of changes) {
      const card = this.#cards.get(id);
      const moved = numbers
        .map((one) => `${one.name} ${one.was} → ${one.is}${one.change ? ` (${one.change})` : ""}`)
        .join(", ");
      const words = { better: `Better: was ${was}.`, worse: `Worse: was ${was}.`, same: moved ? "" : "As in that run.", new: "Not in that run." }[change];
      card.compared.dataset.change = regressed ? "worse" : change;
      card.compared.textContent = [words, moved].filter(Boolean).join(" ");
      card.compared.hidden = false;
    }
  }

  /** @param {string} text of the line about the whole run */
  outcome(text, verdict = "") {
    this.elements.outcome.dataset.verdict = verdict;
    this.elements.outcome.textContent = text;
  }

  /** @param {string} text empty to say nothing */
  notice(text) {
    this.elements.notice.hidden = !text;
    this.elements.notice.textContent = text;
  }

  /**
   * The table in which budgets are changed.
   * @param {Record<string, import("./verdict.js").Budget>} budgets
   * @param {(key: string, level: "warn" | "fail", limit: number | null) => void} onChange
   */
  budgets(budgets, onChange) {
    const rows = Object.entries(budgets).map(([key, budget]) => {
      const field = (level) => {
        const given = budget[level] ?? "";
        const input = /** @type {HTMLInputElement} */ (element("input", { type: "number", step: "any", value: String(given), "aria-label": `${key} ${level}` }));
        input.addEventListener("change", () => onChange(key, level, input.value === "" ? null : Number(input.value)));
        return element("td", { "data-head": level === "warn" ? "Warn" : "Fail" }, input);
      };
      const beyond = budget.below ? "below" : "above";
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, key, element("small", {}, `${beyond}${budget.unit ? `, ${budget.unit}` : ""}`)),
        field("warn"),
        field("fail"),
        element("td", { "data-head": "Why" }, budget.why),
      );
    });
    this.elements.budgetRows.replaceChildren(...rows);
  }

  /** Offer a file to the person. */
  download(name, parts, type) {
    const url = URL.createObjectURL(new Blob(parts, { type }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  #badge({ item, badge }, verdict, word) {
    item.dataset.verdict = verdict;
    badge.replaceChildren(element("span", { "aria-hidden": "true" }, `${SIGNS[verdict]} `), word);
  }

  #detail(detail) {
    if (detail.kind === "table") return table(detail.caption, detail.head, detail.rows);
    if (detail.kind === "chart") return chart(detail);
    const url = URL.createObjectURL(detail.picture);
    this.#urls.push(url);
    return element(
      "figure",
      {},
      element("img", { src: url, alt: detail.caption }),
      element("figcaption", {}, detail.caption),
    );
  }
}

function pair(name, value) {
  return element("div", {}, element("dt", {}, name.replaceAll("_", " ")), element("dd", {}, String(value)));
}

function table(caption, head, rows) {
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell)))),
      element(
        "tbody",
        {},
        ...rows.slice(0, ROWS_SHOWN).map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, String(cell))))),
      ),
    ),
  );
}

function chart({ type, caption, x, y, series, line }) {
  const drawn = marks(type, series, { x, y, line });
  if (!drawn) return element("p", { class: "quiet" }, `${caption}: nothing was measured.`);
  const svg = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${caption}, ${y} over ${x}` });
  svg.append(...drawn.map(drawnElement));
  const legend = series.length > 1 ? element("ul", { class: "legend" }, ...series.map(({ name }, index) => named(name, swatch(type, index)))) : undefined;
  const rows = series.flatMap(({ name, points }) => points.map(([px, py]) => [name, px, py]));
  return element(
    "figure",
    { class: "chart" },
    element("figcaption", {}, caption),
    svg,
    legend,
    element("details", {}, element("summary", {}, "As a table"), table(caption, ["Series", x, y], rows)),
  );
}

function named(name, mark) {
  const svg = svgElement("svg", { viewBox: "0 0 32 16", class: "swatch", "aria-hidden": "true" });
  svg.append(drawnElement(mark));
  return element("li", {}, svg, name);
}

const drawnElement = ({ tag, attributes, text }) => svgElement(tag, attributes, text);

function svgElement(tag, attributes, text = "") {
  const made = document.createElementNS(document.getElementById("drawing").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.textContent = text;
  return made;
}
