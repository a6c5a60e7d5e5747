// Owns the captions: who said or typed what, one entry per turn, and which functions were called. It must not know the
// page or where events come from.
// Invariant: at most one entry of the user is open; entries keep their order and their key for as long as they exist.

/**
 * @typedef {object} Caption
 * @property {string} key the same for as long as the entry exists, different from every other's
 * @property {"user"|"model"|"function"} who
 * @property {string} text
 * @property {boolean} open more may follow: words that are still being said, a function that still runs
 * @property {boolean} [typed] written, not said
 * @property {boolean} [cut] the person spoke over it: the rest was not heard
 *
 * @typedef {object} Captions
 * @property {readonly Caption[]} entries oldest first
 * @property {number} userTurns
 */

const KEPT_ENTRIES = 200; // an hour of talk; a page that is left open must not grow for ever

/** @type {Captions} */
export const NO_CAPTIONS = Object.freeze({ entries: [], userTurns: 0 });

/**
 * The captions after a message of the gateway; the same object when it says nothing new.
 * @param {Captions} captions
 * @param {{type: string, data?: object}} message
 * @returns {Captions}
 */
export function withMessage(captions, message) {
  if (message.type === "user-transcription") return withUser(captions, message.data);
  if (message.type === "user-llm-text") return withTyped(captions, message.data);
  if (message.type === "bot-output") return withModel(captions, message.data);
  if (message.type === "bot-interrupted") return withModelDone(captions, { cut: true });
  if (message.type === "server-message" && message.data.type === "turn") return withModelDone(captions, {});
  if (message.type === "llm-function-call-started") return withCall(captions, message.data);
  if (message.type === "llm-function-call-stopped") return withCallOver(captions, message.data);
  return captions;
}

/**
 * The functions that run at this moment.
 * @param {Captions} captions
 * @returns {string[]} names
 */
export function running({ entries }) {
  return entries.filter(({ who, open }) => who === "function" && open).map(({ text }) => text.replace(/ …$/, ""));
}

function withCall(captions, { function_name: name, tool_call_id: id }) {
  return appended(captions, { key: `function-${id}`, who: "function", text: `${name} …`, open: true });
}

function withCallOver(captions, { function_name: name, tool_call_id: id, cancelled, failed }) {
  const known = captions.entries.find((entry) => entry.key === `function-${id}`);
  if (!known) return captions;
  const outcome = cancelled ? "not needed any more" : failed ? "failed" : "done";
  return replaced(captions, { ...known, text: `${name}: ${outcome}`, open: false });
}

function withUser(captions, { text, final }) {
  const open = captions.entries.find((entry) => entry.who === "user" && entry.open);
  if (open) return replaced(captions, { ...open, text, open: !final });
  if (!text) return captions;
  const userTurns = captions.userTurns + 1;
  return appended({ ...captions, userTurns }, { key: `user-${userTurns}`, who: "user", text, open: !final });
}

function withTyped(captions, { text }) {
  const userTurns = captions.userTurns + 1;
  const entry = { key: `user-${userTurns}`, who: "user", text, open: false, typed: true };
  return appended({ ...captions, userTurns }, entry);
}

/** @param {Captions} captions @param {{cut?: boolean}} how */
function withModelDone(captions, { cut }) {
  const speaking = captions.entries.findLast((entry) => entry.who === "model" && entry.open);
  if (!speaking) return captions;
  return replaced(captions, cut ? { ...speaking, open: false, cut } : { ...speaking, open: false });
}

function withModel(captions, { text, segment_id: segment }) {
  const key = `model-${segment}`;
  const known = captions.entries.find((entry) => entry.key === key);
  if (known) return replaced(captions, { ...known, text: known.text + text });
  const before = withModelDone(captions, {});
  return appended(before, { key, who: "model", text: text.trimStart(), open: true });
}

function replaced(captions, changed) {
  return { ...captions, entries: captions.entries.map((entry) => (entry.key === changed.key ? changed : entry)) };
}

function appended(captions, entry) {
  return { ...captions, entries: [...captions.entries, entry].slice(-KEPT_ENTRIES) };
}
