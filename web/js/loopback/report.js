// Owns the report of a run: its shape (docs/loopback-report.schema.json), and what differs from an earlier one. It must
// not know how checks work.
// Invariant: a report carries no address of this machine, no credential and no token; what it says of a check is what
// the page shows of it.

import { worst } from "./verdict.js";

export const SCHEMA = "gemini-live-gateway/loopback-report/1";

/**
 * @typedef {object} CheckReport
 * @property {string} id
 * @property {string} title
 * @property {import("./verdict.js").Verdict} verdict
 * @property {string} reason
 * @property {object} numbers what was measured, and judged
 * @property {object} details tables and lists for people
 * @property {string[]} log
 * @property {number} duration_s
 *
 * @typedef {object} Report
 * @property {string} schema
 * @property {string} created ISO 8601
 * @property {number} duration_s
 * @property {import("./verdict.js").Verdict} verdict
 * @property {Record<string, number>} counts by verdict
 * @property {{version: string, upstream: string, model: string, settings_hash: string}} gateway
 * @property {{version: string, user_agent: string, language: string}} page
 * @property {object} settings what the person chose
 * @property {Record<string, import("./verdict.js").Budget>} budgets
 * @property {CheckReport[]} checks
 * @property {object[]} ttfab every answer of the TTFAB run
 * @property {object[]} samples getStats and the gateway's view, once a second
 * @property {{check: string, kind: string, sdp: string}[]} descriptions redacted
 */

/**
 * @param {Omit<Report, "schema" | "verdict" | "counts">} parts
 * @returns {Report}
 */
export function report(parts) {
  const verdicts = parts.checks.map(({ verdict }) => verdict);
  const counts = { PASS: 0, WARN: 0, FAIL: 0, SKIP: 0 };
  for (const verdict of verdicts) counts[verdict] += 1;
  return { schema: SCHEMA, verdict: worst(verdicts), counts, ...parts };
}

/**
 * What is different from an earlier run.
 * @param {Report} now
 * @param {Report} before
 * @returns {{id: string, change: "better" | "worse" | "same" | "new", was?: string, regressed: boolean,
 *   numbers: {name: string, was: number, is: number, change?: "better" | "worse"}[]}[]} for each check of `now`;
 *   `regressed` when its verdict, or a number that has a budget, is worse
 */
export function compare(now, before) {
  const known = new Map(before.checks.map((check) => [check.id, check]));
  return now.checks.map((check) => {
    const earlier = known.get(check.id);
    if (!earlier) return { id: check.id, change: "new", regressed: false, numbers: [] };
    const numbers = Object.entries(check.numbers)
      .filter(([name, is]) => typeof is === "number" && typeof earlier.numbers[name] === "number")
      .map(([name, is]) => ({ name, was: earlier.numbers[name], is }))
      .filter(({ was, is }) => was !== is)
      .map((one) => ({ ...one, change: movedBy(one, now.budgets[`${check.id}.${one.name}`]) }));
    const change = changeOf(earlier.verdict, check.verdict);
    const regressed = change === "worse" || numbers.some((one) => one.change === "worse");
    return { id: check.id, change, was: earlier.verdict, regressed, numbers };
  });
}

/**
 * Whether a number moved so far that it matters: by more than a quarter of what its budget allows.
 * @returns {"better" | "worse" | undefined}
 */
function movedBy({ was, is }, budget) {
  const limit = budget?.warn ?? budget?.fail;
  if (typeof limit !== "number" || Math.abs(is - was) <= Math.abs(limit) / 4) return undefined;
  return is > was === Boolean(budget.below) ? "better" : "worse";
}

function changeOf(was, is) {
  if (was === is || was === "SKIP" || is === "SKIP") return "same";
  return worst([was, is]) === is ? "worse" : "better";
}

/**
 * A report that a person loaded.
 * @param {string} text
 * @returns {Report} throws an Error with a sentence when it is none
 */
export function parseReport(text) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON.");
  }
  if (read?.schema !== SCHEMA || !Array.isArray(read.checks)) {
    throw new Error(`This file is not a report of this page (${SCHEMA}).`);
  }
  return read;
}

/**
 * Budgets that a person loaded.
 * @param {string} text
 * @param {Record<string, import("./verdict.js").Budget>} known the page's own, for what the file does not say
 * @returns {Record<string, import("./verdict.js").Budget>} throws an Error with a sentence when they are none
 */
export function parseBudgets(text, known) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON.");
  }
  if (read?.schema !== BUDGETS_SCHEMA || typeof read.budgets !== "object") {
    throw new Error(`This file has no budgets of this page (${BUDGETS_SCHEMA}).`);
  }
  const budgets = { ...known };
  for (const [key, budget] of Object.entries(read.budgets)) {
    if (!known[key]) throw new Error(`There is no number ${key} that could have a budget.`);
    for (const level of ["warn", "fail"]) {
      const limit = budget[level];
      if (limit !== undefined && limit !== null && typeof limit !== "number") {
        throw new Error(`The budget ${key} has ${JSON.stringify(limit)} for ${level}: a number is needed, or null.`);
      }
      if (limit !== undefined) budgets[key] = { ...budgets[key], [level]: limit };
    }
  }
  return budgets;
}

export const BUDGETS_SCHEMA = "gemini-live-gateway/loopback-budgets/1";

/**
 * A session description without what tells where somebody is or lets somebody in.
 * @param {string} sdp
 * @returns {string}
 */
export function redacted(sdp) {
  return sdp
    .replace(/^(a=ice-(?:ufrag|pwd):).*$/gm, "$1(redacted)")
    .replace(/^(a=fingerprint:\S+ ).*$/gm, "$1(redacted)")
    .replace(/^(a=candidate:\S+ \d+ \S+ \d+ )\S+( \d+ typ \S+)(.*)$/gm, (_, head, type, rest) => {
      const shown = rest.replace(/ raddr \S+ rport \d+/, " raddr (redacted) rport 0").replace(/ ufrag \S+/, "");
      return `${head}(redacted)${type}${shown}`;
    })
    .replace(/^(o=\S+ \d+ \d+ IN IP[46] )\S+/gm, "$1(redacted)")
    .replace(/^(c=IN IP[46] )\S+/gm, "$1(redacted)")
    .replace(/^(a=rtcp:\d+ IN IP[46] )\S+/gm, "$1(redacted)");
}
