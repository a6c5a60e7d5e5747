// Owns the run: which check is next, what each of them becomes in the report. It must not know what is checked, nor the
// page.
// Invariant: every chosen check ends with a verdict and a reason, whatever it throws; a run that is stopped says so.

import { Skip } from "./bench.js";
import { judge } from "./verdict.js";

/**
 * @typedef {object} Table
 * @property {"table"} kind
 * @property {string} caption
 * @property {string[]} head
 * @property {(string | number)[][]} rows
 *
 * @typedef {object} Chart
 * @property {"chart"} kind
 * @property {"line" | "scatter"} type
 * @property {string} caption
 * @property {string} x
 * @property {string} y
 * @property {import("./chart.js").Series[]} series
 * @property {{slope: number, intercept: number}} [line]
 *
 * @typedef {{kind: "picture", picture: Blob, caption: string}} Picture
 *
 * @typedef {object} Found
 * @property {object} numbers
 * @property {(Table | Chart | Picture)[]} details
 *
 * @typedef {object} Check
 * @property {string} id
 * @property {string} title
 * @property {string} about what it does, in a sentence
 * @property {(bench: import("./bench.js").Bench) => Promise<Found>} run
 *   throws a `Skip` where it makes no sense
 */

/**
 * @param {Check[]} checks in the order in which they run
 * @param {import("./bench.js").Bench} bench
 * @param {Record<string, import("./verdict.js").Budget>} budgets
 * @param {object} view
 * @param {(id: string) => void} view.began
 * @param {(report: import("./report.js").CheckReport, details: object[]) => void} view.ended `details` with pictures
 * @returns {Promise<import("./report.js").CheckReport[]>}
 */
export async function run(checks, bench, budgets, view) {
  const reports = [];
  for (const check of checks) {
    view.began(check.id);
    bench.begin(check.id);
    const { judgement, numbers = {}, details = [] } = await outcome(check, bench, budgets);
    const { log, durationS } = bench.end();
    const report = {
      id: check.id,
      title: check.title,
      ...judgement,
      numbers: withoutUndefined(numbers),
      details: details.filter(({ kind }) => kind !== "picture"),
      log,
      duration_s: durationS,
    };
    reports.push(report);
    view.ended(report, details);
  }
  return reports;
}

/** @returns {Promise<{judgement: import("./verdict.js").Judgement, numbers?: object, details?: Found["details"]}>} */
async function outcome(check, bench, budgets) {
  if (bench.signal.aborted) return { judgement: { verdict: "SKIP", reason: "The run was stopped before it." } };
  try {
    const { numbers, details } = await check.run(bench);
    return { judgement: judge(check.id, numbers, budgets), numbers, details };
  } catch (problem) {
    if (problem instanceof Skip) return { judgement: { verdict: "SKIP", reason: problem.message } };
    if (bench.signal.aborted) return { judgement: { verdict: "SKIP", reason: "The run was stopped during it." } };
    return { judgement: { verdict: "FAIL", reason: problem.message || String(problem) } };
  }
}

function withoutUndefined(numbers) {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined));
}
