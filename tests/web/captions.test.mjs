import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_CAPTIONS, running, withMessage } from "../../web/js/captions.js";

const user = (text, final = false) => ({ type: "user-transcription", data: { text, final } });
const model = (text, segment) => ({ type: "bot-output", data: { text, segment_id: segment } });
const spoken = (...messages) => messages.reduce(withMessage, NO_CAPTIONS).entries;
const lines = (...messages) => spoken(...messages).map(({ who, text }) => `${who}: ${text}`);

test("a transcription replaces the open entry of the user; a final one closes it", () => {
  assert.deepEqual(lines(user("Hel"), user("Hello"), user("Hello.", true), user("And")), ["user: Hello.", "user: And"]);
});

test("the model's words are appended to the entry of their segment, with the spaces they bring", () => {
  const said = lines(model(" I", "turn-1"), model(" see", "turn-1"), model("Then", "turn-2"), model(".", "turn-1"));
  assert.deepEqual(said, ["model: I see.", "model: Then"]);
});

test("an open entry of the user is still replaced after the model began to answer", () => {
  assert.deepEqual(lines(user("Hel"), model("Hi", "turn-1"), user("Hello", true)), ["user: Hello", "model: Hi"]);
});

test("the model's entry is open until its turn is complete, the next one begins, or it is interrupted", () => {
  const turn = { type: "server-message", data: { type: "turn", number: 1 } };
  const states = (...messages) => spoken(...messages).map(({ open, cut }) => [open, cut ?? false]);
  assert.deepEqual(states(model("a", "turn-1")), [[true, false]]);
  assert.deepEqual(states(model("a", "turn-1"), turn), [[false, false]]);
  assert.deepEqual(states(model("a", "turn-1"), model("b", "turn-2")), [[false, false], [true, false]]);
  const interrupted = states(model("a", "turn-1"), { type: "bot-interrupted", data: {} }, turn);
  assert.deepEqual(interrupted, [[false, true]]);
  assert.equal(withMessage(NO_CAPTIONS, { type: "bot-interrupted", data: {} }), NO_CAPTIONS);
});

test("what was typed is an entry of its own, also in the middle of speech", () => {
  const typed = { type: "user-llm-text", data: { text: "port 14?" } };
  const entries = spoken(user("Hel"), typed, user("Hello", true));
  assert.deepEqual(entries.map(({ text, typed: one }) => [text, one ?? false]), [["Hello", false], ["port 14?", true]]);
});

test("keys are unique and stay with their entry", () => {
  const messages = [user("a", true), model("b", "turn-1"), user("c", true), model("d", "turn-2")];
  const keys = spoken(...messages).map(({ key }) => key);
  assert.equal(new Set(keys).size, 4);
  assert.deepEqual(spoken(...messages, model("e", "turn-1")).map(({ key }) => key), keys);
});

test("silence and other messages change nothing", () => {
  assert.equal(withMessage(NO_CAPTIONS, user("", true)), NO_CAPTIONS);
  assert.equal(withMessage(NO_CAPTIONS, { type: "bot-ready" }), NO_CAPTIONS);
});

test("a long call keeps the newest two hundred entries", () => {
  const entries = spoken(...Array.from({ length: 250 }, (_, turn) => user(`turn ${turn}`, true)));
  assert.equal(entries.length, 200);
  assert.equal(entries.at(-1).text, "turn 249");
  assert.equal(new Set(entries.map(({ key }) => key)).size, 200);
});

test("a call of a function is an entry that says how it went", () => {
  const call = (what, id, more = {}) => ({
    type: `llm-function-call-${what}`,
    data: { function_name: "look_up", tool_call_id: id, ...more },
  });
  assert.deepEqual(lines(call("started", "1")), ["function: look_up …"]);
  const started = [call("started", "1"), call("started", "2")].reduce(withMessage, NO_CAPTIONS);
  assert.deepEqual(running(started), ["look_up", "look_up"]);
  assert.deepEqual(running(withMessage(started, call("stopped", "1", { cancelled: true }))), ["look_up"]);
  assert.deepEqual(
    lines(
      ...["1", "2", "3"].map((id) => call("started", id)),
      call("stopped", "2", { cancelled: true }),
      call("stopped", "1", { cancelled: false, failed: false }),
      call("stopped", "3", { cancelled: false, failed: true }),
      call("stopped", "4", { cancelled: false }),
    ),
    ["function: look_up: done", "function: look_up: not needed any more", "function: look_up: failed"],
  );
});
