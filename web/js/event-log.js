// Owns the log of a call that a person can look through and save: what was told by events, with its time. It must not
// know the page or where events come from.
// Invariant: entries keep their order and the newest are kept; what is saved carries no token and no way into the call.

const KEPT_ENTRIES = 1000; // an hour of talk; a page that is left open must not grow for ever
const LABEL_CHARS = 13; // of a session's name in the gateway's log; the whole of it lets anyone into the call

/** @typedef {"call" | "speech" | "pictures" | "functions" | "problems" | "numbers"} Kind */

/** The kinds, in words. */
export const KINDS = {
  call: "The call",
  speech: "Speech",
  pictures: "Pictures",
  functions: "Functions",
  problems: "Problems",
  numbers: "Numbers",
};

const KIND_OF_FACT = {
  frame: "pictures",
  video_wish: "pictures",
  usage: "numbers",
  ttfab: "numbers",
};

/**
 * @typedef {object} Entry
 * @property {number} atMs since the log was begun
 * @property {Kind} kind
 * @property {string} text
 * @property {object} [data]
 */

/** The log of one call. */
export class EventLog {
  #clock;
  #beganMs;
  #beganAt;
  /** @type {Entry[]} */
  entries = [];

  /** @param {{nowMs: () => number, now: () => Date}} clock */
  constructor(clock) {
    this.#clock = clock;
    this.#beganMs = clock.nowMs();
    this.#beganAt = clock.now();
  }

  /** @param {{type: string, data?: object}} message of the gateway */
  message({ type, data = {} }) {
    if (type === "server-message") return this.add(kindOfFact(data), factText(data), data);
    if (type === "error") return this.add("problems", data.message, data);
    if (type.startsWith("llm-function-call")) return this.add("functions", `${type} ${data.function_name}`, data);
    return this.add("speech", data.text ? `${type}: ${data.text}` : type, data);
  }

  /**
   * @param {Kind} kind
   * @param {string} text
   * @param {object} [data]
   * @returns {Entry}
   */
  add(kind, text, data) {
    const entry = { atMs: Math.round(this.#clock.nowMs() - this.#beganMs), kind, text, data };
    this.entries.push(entry);
    if (this.entries.length > KEPT_ENTRIES) this.entries.shift();
    return entry;
  }

  /**
   * The file to save.
   * @param {object} about versions, the session's location, the browser, the newest numbers
   * @returns {string} JSON
   */
  asFile({ location, ...about }) {
    const session = location && sessionLabel(location);
    const file = { schema: 1, began: this.#beganAt.toISOString(), ...about, session, events: this.entries };
    return JSON.stringify(file, null, 1);
  }
}

/**
 * What the gateway's own log calls a session.
 * @param {string} location
 * @returns {string}
 */
export function sessionLabel(location) {
  return location.split("/").at(-1).slice(0, LABEL_CHARS);
}

function kindOfFact({ type, level }) {
  if (type === "notice") return level === "info" ? "call" : "problems";
  return KIND_OF_FACT[type] ?? "call";
}

function factText({ type, ...facts }) {
  if (type === "notice") return facts.text;
  if (type === "state") return [facts.state, facts.reason].filter(Boolean).join(": ");
  const told = Object.entries(facts).filter(([, value]) => typeof value !== "object");
  return [type, ...told.map(([name, value]) => `${name} ${value}`)].join(", ");
}
