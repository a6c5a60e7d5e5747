// Owns the drills: something is broken on purpose in the middle of a conversation, and the check looks how soon it goes
// on, and whether it is still the same one. It must not know how the gateway recovers.
// Invariant: each drill breaks its own call only; recovery is timed to the first sound that is heard of the next answer.

import { onsetS } from "../levels.js";
import { round } from "../numbers.js";

const MARK = "remember the green box";
const ANSWER_TIMEOUT_MS = 20_000;
const RECOVERY_TIMEOUT_S = 40;
const OFFLINE_S = 5;
const TOOL_S = 5;
const LEFT_S = 5; // of a link after goAway
const QUIET_S = 0.5;
const STOPPED = "llm-function-call-stopped";

/**
 * @typedef {object} Drill
 * @property {string} name
 * @property {string} title
 * @property {string} about
 * @property {(line: import("../line.js").Line, bench: object) => Promise<void>} happen returns when time begins to count
 * @property {boolean} [isAnswer] what comes by itself is the answer
 */

/** @type {Drill[]} */
const DRILLS = [
  {
    name: "peer",
    title: "Drill: the browser's connection is dropped",
    about: "As when a phone changes from Wi-Fi to LTE: a new connection joins the same conversation.",
    happen: async (line) => line.dropPeer(),
  },
  {
    name: "offline",
    title: `Drill: no network for ${OFFLINE_S} s`,
    about: "Media, requests and events all stop, and come back.",
    async happen(line, bench) {
      await line.drill("blackout", OFFLINE_S);
      line.setOffline(true);
      await bench.wait(OFFLINE_S);
      line.setOffline(false);
    },
  },
  {
    name: "kill_link",
    title: "Drill: the model's connection is cut",
    about: "A TCP reset between gateway and model.",
    happen: async (line) => line.drill("kill_link"),
  },
  {
    name: "go_away",
    title: "Drill: the model asks to reconnect",
    about: `goAway with ${LEFT_S} s left.`,
    happen: async (line) => line.drill("go_away", LEFT_S),
  },
  {
    name: "stall",
    title: "Drill: the model falls silent",
    about: "Its connection stays open and nothing comes any more.",
    happen: async (line) => line.drill("stall"),
  },
  {
    name: "slow_tool",
    title: `Drill: a function takes ${TOOL_S} s`,
    about: "The model calls it; its result is answered.",
    isAnswer: true,
    async happen(line, bench) {
      await line.drill("slow_tool", TOOL_S);
      await bench.wait(TOOL_S);
    },
  },
  {
    name: "invalid_argument",
    title: "Drill: the model refuses with 1007",
    about: "The connection cannot be resumed: a fresh one is told the conversation.",
    happen: async (line) => line.drill("invalid_argument"),
  },
];

/** @type {import("../runner.js").Check[]} */
export const drills = DRILLS.map((drill) => ({
  id: `drill_${drill.name}`,
  title: drill.title,
  about: drill.about,
  run: (bench) => run(drill, bench),
}));

/** @returns {Promise<import("../runner.js").Found>} */
async function run(drill, bench) {
  bench.needTestModes();
  const { studio, settings } = bench;
  const voice = studio.voice();
  const line = await bench.line({ mode: "simulator", network: settings.network || "clean", microphone: voice.track });
  await answered(line, bench, MARK);
  /** @type {Record<string, any>} */
  const numbers = {};
  let fromS;
  try {
    await drill.happen(line, bench);
    fromS = studio.nowS;
    bench.log("it has happened");
    if (!drill.isAnswer) line.type("and what did I say before");
    numbers.recovered_s = round(await heardAfter(line, studio, fromS), 2);
  } catch (problem) {
    bench.signal.throwIfAborted();
    bench.log(problem.message);
  }
  numbers.waited_s = RECOVERY_TIMEOUT_S;
  if (line.ended) return { numbers: { ...numbers, ended: line.ended }, details: [] };
  const links = line.messages.filter(({ message }) => message.data?.type === "link").map(({ message }) => message.data);
  numbers.how = links.length > 1 ? links.at(-1).how : undefined;
  numbers.links = links.length;
  numbers.connections = line.connections;
  numbers.function_failed = line.messages.some(({ message: { type, data } }) => type === STOPPED && data.failed);
  numbers.kept = await isKept(line, links).catch(() => false);
  return { numbers, details: [linksTable(links), await transcriptTable(line)] };
}

/** Ask in writing and wait until the answer is over. */
async function answered(line, bench, text) {
  const from = line.messages.length;
  line.type(text);
  await line.message(({ data }) => data?.type === "turn", ANSWER_TIMEOUT_MS, "the answer before the drill", from);
  await line.message(({ type }) => type === "bot-stopped-speaking", ANSWER_TIMEOUT_MS, "the end of that answer", from);
  await bench.wait(QUIET_S);
}

async function heardAfter(line, studio, fromS) {
  const heard = () => onsetS(line.ear.heard(fromS), studio.rateHz);
  return line.until(heard, RECOVERY_TIMEOUT_S * 1000, "an answer", 50);
}

/** Whether the model's side knows what was said before: by its own link, or because it was told. */
async function isKept(line, links) {
  const { turns } = await line.transcript();
  const said = turns.some(({ user, model }) => `${user} ${model}`.includes(MARK));
  return said && links.slice(1).every(({ how }) => how !== "fresh");
}

/** @returns {import("../runner.js").Table} */
function linksTable(links) {
  const rows = links.map(({ generation, how }) => [generation, how]);
  return { kind: "table", caption: "Links to the model", head: ["Number", "Opened"], rows };
}

/** @returns {Promise<import("../runner.js").Table>} */
async function transcriptTable(line) {
  const { turns } = await line.transcript().catch(() => ({ turns: [] }));
  const rows = turns.map(({ user, model }) => [user, model]);
  return { kind: "table", caption: "Transcript", head: ["Said", "Answered"], rows };
}
