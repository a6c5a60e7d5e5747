// Owns the wiring of the loopback page: it reads what the person, the address or a program wants, runs the checks, and
// gives the report away. It must not know what a check does.
// Invariant: at most one run at a time; when it is over `window.__report` is the report of it, whoever asked for it.

import { nextStep } from "../failures.js";
import { gatewayClient } from "../gateway-client.js";
import { takeToken } from "../token.js";
import { Bench, LENGTHS } from "./bench.js";
import { checks } from "./checks.js";
import { csv, joinedSounds, junit, markdown, wav, zip } from "./exports.js";
import { element, Page } from "./page.js";
import { BUDGETS_SCHEMA, compare, parseBudgets, parseReport, report } from "./report.js";
import { run } from "./runner.js";
import { Studio } from "./studio.js";

const VERSION = "0.1.0"; // of this page; it is served by the gateway whose version stands beside it in the report
const DEFAULT_RATE_HZ = 48_000; // of a file in which there is nothing
const BUDGETS_KEY = "loopback-budgets";
const MODE_WORDS = { simulator: "The built-in simulator", live: "The gateway's own model" };

/** What a program that opened this page reads: `__report`, `__exports`, `__compare` (docs/qa.md). */
const told = /** @type {any} */ (window);
const page = new Page();
const { elements } = page;
const studio = new Studio();
const address = new URLSearchParams(window.location.search);
const token = takeToken(window);
const client = gatewayClient({ token });

let config;
let ownBudgets;
let budgets;
let stopping;
let earlier;
let kept;

async function start() {
  page.list(checks);
  const response = await fetch("/loopback-budgets.json");
  ownBudgets = (await response.json()).budgets;
  budgets = ownBudgets;
  const saved = localStorage.getItem(BUDGETS_KEY);
  if (saved) useBudgets(saved, "The budgets that this browser had kept cannot be used");
  showBudgets();
  config = await client.clientConfig().catch((problem) => {
    elements.gateway.textContent = "This gateway cannot be tested now";
    throw new Error(`${problem.message} ${nextStep(problem)}`);
  });
  showConfig();
  busy(false); // there is something to run against
  const wanted = address.get("run");
  if (!wanted) return;
  const all = checks.map(({ id }) => id);
  const ids = wanted === "all" ? all : wanted.split(",");
  const unknown = ids.find((id) => !all.includes(id));
  if (unknown !== undefined) throw new Error(`There is no check ${unknown}; there are ${all.join(", ")}.`);
  page.choose(ids);
  await runChosen();
}

function showConfig() {
  const model = config.upstream === "simulator" ? "simulator" : `${config.upstream}, ${config.model}`;
  elements.gateway.textContent = `Gateway ${config.version}: ${model}`;
  const modes = config.test_modes;
  const offered = modes ? ["simulator", "live"] : ["live"];
  elements.mode.replaceChildren(...offered.map((mode) => element("option", { value: mode }, MODE_WORDS[mode])));
  elements.network.replaceChildren(element("option", { value: "" }, "As it is"));
  for (const [name, { words }] of Object.entries(modes?.networks ?? {})) {
    elements.network.append(element("option", { value: name }, `${name}: ${words}`));
  }
  if (modes) elements.network.append(element("option", { value: "custom" }, "custom"));
  elements.network.disabled = !modes;
  elements.noTestModes.hidden = Boolean(modes);
  for (const [name, { min, max }] of Object.entries(modes?.custom_network ?? {})) {
    const value = name === "burst" ? "1" : "0";
    const input = element("input", { type: "number", name, min, max, value, step: "any" });
    elements.custom.append(element("label", {}, name.replaceAll("_", " "), input));
  }
  for (const name of ["mode", "network", "length", "seed"]) if (address.has(name)) take(name, address.get(name));
  for (const input of elements.custom.querySelectorAll("input")) input.value = address.get(input.name) ?? input.value;
  showCustom();
}

/** What the address says; a choice that is not offered is no choice. */
function take(name, value) {
  elements[name].value = value;
  if (elements[name].value !== value) throw new Error(`The address asks for ${name}=${value}, which is not offered here.`);
}

function showCustom() {
  elements.custom.hidden = elements.network.value !== "custom";
}

function settingsOf() {
  const custom = [...elements.custom.querySelectorAll("input")].map(({ name, value }) => [name, Number(value)]);
  return {
    mode: elements.mode.value || "live",
    network: elements.network.value,
    custom: elements.network.value === "custom" ? Object.fromEntries(custom) : {},
    seed: Number(elements.seed.value) || 1,
    length: elements.length.value in LENGTHS ? elements.length.value : "usual",
  };
}

async function runChosen() {
  if (stopping) return;
  const chosen = checks.filter(({ id }) => page.chosen.includes(id));
  page.notice(chosen.length ? "" : "No check is chosen.");
  if (!chosen.length) return;
  stopping = new AbortController();
  page.clear();
  busy(true);
  const [created, beganMs] = [new Date().toISOString(), performance.now()];
  try {
    const settings = settingsOf();
    const sound = await studio.open().then(
      () => studio,
      (problem) => problem,
    );
    const iceServers = await client.iceServers();
    const bench = new Bench({ studio: sound, config, iceServers, settings, token, signal: stopping.signal });
    let [done, now] = [0, ""];
    const progress = () => page.outcome(`Running ${done + 1} of ${chosen.length}: ${now}`);
    const reports = await run(chosen, bench, budgets, {
      began(id) {
        now = chosen.find((check) => check.id === id).title;
        progress();
        page.began(id);
      },
      ended(one, details) {
        done += 1;
        page.ended(one, details);
      },
    });
    const durationS = Math.round(performance.now() - beganMs) / 1000;
    finish(reports, bench, settings, created, durationS);
  } catch (problem) {
    page.notice(problem.message);
    page.outcome("The run could not begin.");
    told.__report = { problem: problem.message };
  } finally {
    await studio.close();
    stopping = undefined;
    busy(false);
  }
}

function finish(reports, bench, settings, created, durationS) {
  const { version, upstream, model, settings_hash: hash } = config;
  kept = bench.kept;
  const made = report({
    created,
    duration_s: durationS,
    gateway: { version, upstream, model, settings_hash: hash },
    page: { version: VERSION, user_agent: navigator.userAgent, language: navigator.language },
    settings,
    budgets,
    checks: reports,
    ttfab: kept.ttfab,
    samples: kept.samples,
    descriptions: kept.descriptions,
  });
  const { PASS, WARN, FAIL, SKIP } = made.counts;
  const counted = `${PASS} passed, ${WARN} warned, ${FAIL} failed, ${SKIP} skipped`;
  page.outcome(`${made.verdict}: ${counted}, in ${Math.round(durationS)} s.`, made.verdict);
  if (earlier) page.compared(compare(made, earlier));
  told.__compare = (text) => compare(made, parseReport(text));
  told.__exports = { junit: junit(made), markdown: markdown(made), csv: csv(made.ttfab) };
  told.__report = made;
}

function busy(isBusy) {
  for (const name of ["run", "runChosen", "mode", "network", "length", "seed"]) elements[name].disabled = isBusy;
  elements.network.disabled ||= !config?.test_modes;
  elements.stop.disabled = !isBusy;
  for (const button of elements.exports.querySelectorAll("button")) button.disabled = isBusy || !told.__report?.checks;
}

// Budgets

function useBudgets(text, otherwise) {
  try {
    budgets = parseBudgets(text, ownBudgets);
    return true;
  } catch (problem) {
    page.notice(`${otherwise}: ${problem.message}`);
    return false;
  }
}

function showBudgets() {
  for (const name of ["budgetsSave", "budgetsReset", "budgetsLoad"]) elements[name].disabled = false;
  page.budgets(budgets, (key, level, limit) => {
    budgets = { ...budgets, [key]: { ...budgets[key], [level]: limit } };
    localStorage.setItem(BUDGETS_KEY, budgetsFile());
  });
}

function budgetsFile() {
  return JSON.stringify({ schema: BUDGETS_SCHEMA, budgets }, null, 2);
}

// What the person presses

const stamp = () => told.__report.created.replaceAll(/[:.]/g, "-");
const EXPORTS = {
  exportJson: () => page.download(`loopback-${stamp()}.json`, [JSON.stringify(told.__report, null, 2)], "application/json"),
  exportJunit: () => page.download(`loopback-${stamp()}.xml`, [told.__exports.junit], "application/xml"),
  exportMarkdown: () => page.download(`loopback-${stamp()}.md`, [told.__exports.markdown], "text/markdown"),
  exportCsv: () => page.download(`loopback-ttfab-${stamp()}.csv`, [told.__exports.csv], "text/csv"),
  exportWav: () => page.download(`loopback-sound-${stamp()}.wav`, [soundFile()], "audio/wav"),
  exportZip: async () => page.download(`loopback-frames-${stamp()}.zip`, [await pictureFiles()], "application/zip"),
};

function soundFile() {
  const rateHz = kept.sounds[0]?.rateHz ?? DEFAULT_RATE_HZ;
  return wav(joinedSounds(kept.sounds.map(({ samples }) => samples), rateHz), rateHz);
}

async function pictureFiles() {
  const files = kept.pictures.map(async ({ name, picture }) => ({
    name,
    data: new Uint8Array(await picture.arrayBuffer()),
  }));
  return zip(await Promise.all(files));
}

/** Tell what is in a file that the person chooses; the same one can be chosen again after it was changed. */
function onFile(input, take) {
  input.addEventListener("change", async () => {
    const text = await input.files[0]?.text();
    input.value = "";
    if (text !== undefined) take(text);
  });
}

for (const [id, action] of Object.entries(EXPORTS)) {
  elements[id].addEventListener("click", async () => {
    try {
      await action();
    } catch (problem) {
      page.notice(`This file cannot be made: ${problem.message}`);
    }
  });
}
elements.run.addEventListener("click", () => {
  page.choose(checks.map(({ id }) => id));
  runChosen();
});
elements.runChosen.addEventListener("click", runChosen);
elements.stop.addEventListener("click", () => stopping?.abort(new Error("The run was stopped.")));
elements.network.addEventListener("change", showCustom);
elements.budgetsSave.addEventListener("click", () => page.download("loopback-budgets.json", [budgetsFile()], "application/json"));
elements.budgetsReset.addEventListener("click", () => {
  localStorage.removeItem(BUDGETS_KEY);
  budgets = ownBudgets;
  showBudgets();
});
onFile(elements.budgetsLoad, (text) => {
  if (!useBudgets(text, "These budgets cannot be used")) return;
  localStorage.setItem(BUDGETS_KEY, budgetsFile());
  showBudgets();
  page.notice("");
});
onFile(elements.compareLoad, (text) => {
  try {
    earlier = parseReport(text);
    page.notice("");
    if (told.__report?.checks) page.compared(compare(told.__report, earlier));
  } catch (problem) {
    page.notice(`This report cannot be compared with: ${problem.message}`);
  }
});
window.addEventListener("pagehide", () => stopping?.abort(new Error("The page was left.")));

start().catch((problem) => {
  page.notice(problem.message);
  told.__report = { problem: problem.message };
});
