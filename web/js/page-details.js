// Owns the drawer with what engineers and curious people want to see. It must not know peers or the gateway.
// Invariant: a number that is not known is a dash, never a zero.

import { offer, setText } from "./elements.js";
import { KINDS, sessionLabel } from "./event-log.js";

const NARROW = "(max-width: 60rem)"; // as in style.css: there the drawer covers the page
const SHOWN_EVENTS = 200;
const SAMPLED_MS = 10_000; // pictures that the model saw are counted over this time
const ORDINAL = ["", "1st", "2nd", "3rd"];
const HOW = { fresh: "fresh", resumed: "resumed", rehydrated: "rebuilt from the transcript" };

/** The drawer. */
export class Details {
  #elements;
  #clock;
  #log;
  #seenMs = [];
  #numbers;

  /**
   * @param {Record<string, any>} elements
   * @param {{nowMs: () => number}} clock
   */
  constructor(elements, clock) {
    this.#elements = elements;
    this.#clock = clock;
    const kinds = Object.entries(KINDS).map(([value, label]) => ({ value, label }));
    offer(elements.eventsFilter, [{ value: "", label: "Everything" }, ...kinds], "");
    elements.eventsFilter.addEventListener("change", () => this.#list());
    elements.detailsOpen.addEventListener("click", () => this.toggle());
    elements.detailsClose.addEventListener("click", () => this.close());
    elements.details.addEventListener("close", () => this.#told(false));
    elements.iphone.hidden = !/iPhone|iPad/.test(navigator.userAgent);
  }

  /** Whether it is open. */
  get isOpen() {
    return this.#elements.details.open;
  }

  /** The newest numbers. */
  get numbers() {
    return this.#numbers;
  }

  /** Open or close it. */
  toggle() {
    const { details } = this.#elements;
    if (details.open) return this.close();
    if (matchMedia(NARROW).matches) details.showModal();
    else details.show();
    this.#told(true);
    this.#list();
  }

  /** Close it; the focus goes back to where it came from. */
  close() {
    this.#elements.details.close();
    this.#elements.detailsOpen.focus();
  }

  /** Begin anew. @param {import("./event-log.js").EventLog} log */
  clear(log) {
    this.#log = log;
    this.#seenMs = [];
    this.#numbers = undefined;
    for (const [name, element] of Object.entries(this.#elements)) {
      if (name.startsWith("fact") && name !== "factGateway") setText(element, "–");
    }
    this.#list();
  }

  /** @param {import("./event-log.js").Entry} entry that has been added to the log */
  event(entry) {
    const { events, eventsFilter } = this.#elements;
    if (!this.isOpen || (eventsFilter.value && eventsFilter.value !== entry.kind)) return;
    const atEnd = events.scrollHeight - events.scrollTop - events.clientHeight < 40;
    events.append(item(entry));
    if (events.children.length > SHOWN_EVENTS) events.firstElementChild.remove();
    if (atEnd) events.scrollTop = events.scrollHeight;
  }

  /** @param {import("./http.js").ClientConfig} config */
  gateway({ version, upstream, model }) {
    setText(this.#elements.factGateway, `${version}, ${upstream}, ${model}`);
  }

  /** @param {string} location */
  session(location) {
    setText(this.#elements.factSession, sessionLabel(location));
  }

  /** @param {import("./quality.js").Quality & {facts: import("./quality.js").Facts}} quality */
  quality({ words, facts }) {
    this.#numbers = facts;
    const e = this.#elements;
    setText(e.factQuality, words);
    setText(e.factPath, pathWords(facts.path));
    setText(e.factRoundTrip, milliseconds(facts.roundTripMs));
    setText(e.factLoss, lossWords(facts));
    setText(e.factJitter, milliseconds(facts.jitterMs));
    setText(e.factConcealed, percent(facts.concealed));
    setText(e.factBandwidth, `${kilobits(facts.upBps)} up, ${kilobits(facts.downBps)} down`);
    setText(e.factSent, `${perSecond(facts.cameraFps)}${facts.pictureSize ? `, ${facts.pictureSize}` : ""}`);
    setText(e.factSampled, perSecond(this.#sampledFps()));
  }

  /** The model has seen a picture. */
  seen() {
    this.#seenMs.push(this.#clock.nowMs());
  }

  /** @param {object} fact `ttfab` or `link` of the gateway */
  fact(fact) {
    if (fact.type === "ttfab" && fact.to === "packet") setText(this.#elements.factAnswer, milliseconds(fact.ms));
    if (fact.type === "link") setText(this.#elements.factLink, linkWords(fact));
  }

  #sampledFps() {
    const nowMs = this.#clock.nowMs();
    this.#seenMs = this.#seenMs.filter((atMs) => nowMs - atMs < SAMPLED_MS);
    const sinceMs = nowMs - this.#seenMs[0];
    return sinceMs >= 1000 ? (this.#seenMs.length * 1000) / sinceMs : undefined;
  }

  #list() {
    if (!this.isOpen || !this.#log) return;
    const { events, eventsFilter } = this.#elements;
    const wanted = this.#log.entries.filter(({ kind }) => !eventsFilter.value || kind === eventsFilter.value);
    events.replaceChildren(...wanted.slice(-SHOWN_EVENTS).map(item));
    events.scrollTop = events.scrollHeight;
  }

  #told(open) {
    this.#elements.detailsOpen.setAttribute("aria-expanded", String(open));
    document.body.toggleAttribute("data-details", open);
  }
}

function item({ atMs, kind, text }) {
  const line = document.createElement("li");
  line.dataset.kind = kind;
  const time = document.createElement("time");
  time.textContent = `${(atMs / 1000).toFixed(1)} s`;
  const words = document.createElement("span");
  words.textContent = text;
  line.append(time, words);
  return line;
}

function pathWords(path) {
  if (!path) return "–";
  if (path.local === "stream") return "over a WebSocket, because nothing else gets through";
  const way = path.isRelay ? "through a relay" : "direct";
  return `${way}, ${path.protocol.toUpperCase()} (${path.local} to ${path.remote})`;
}

function lossWords({ lossUp, lossDown }) {
  const up = lossUp === undefined ? [] : [`${percent(lossUp)} of what you send`];
  const down = lossDown === undefined ? [] : [`${percent(lossDown)} of the voice`]; // known while there is one
  return [...up, ...down].join(", ") || "–";
}

function linkWords({ generation, how }) {
  return `${ORDINAL[generation] ?? `${generation}th`}, ${HOW[how] ?? how}`;
}

const known = (value, words) => (value === undefined ? "–" : words(value));
const milliseconds = (ms) => known(ms, (value) => `${Math.round(value)} ms`);
const percent = (part) => known(part, (value) => `${(value * 100).toFixed(1)} %`);
const kilobits = (bps) => known(bps, (value) => `${Math.round(value / 1000)} kbit/s`);
const perSecond = (fps) => known(fps, (value) => `${value.toFixed(1)} a second`);
