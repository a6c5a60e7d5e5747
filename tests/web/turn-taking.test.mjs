import assert from "node:assert/strict";
import { test } from "node:test";

import { turnAfter } from "../../web/js/turn-taking.js";

const through = (...types) => types.reduce((turn, type) => turnAfter(turn, { type, data: {} }), "listening");
const fact = (turn, type) => turnAfter(turn, { type: "server-message", data: { type } });

test("a question and its answer", () => {
  assert.equal(through("user-started-speaking"), "hearing");
  assert.equal(through("user-started-speaking", "user-stopped-speaking"), "thinking");
  assert.equal(through("user-llm-text"), "thinking");
  assert.equal(through("user-stopped-speaking", "bot-started-speaking"), "speaking");
  assert.equal(through("bot-started-speaking", "bot-stopped-speaking"), "listening");
});

test("while the model speaks, a person who speaks too is not what is heard, until it is interrupted", () => {
  assert.equal(through("bot-started-speaking", "user-started-speaking"), "speaking");
  assert.equal(through("bot-started-speaking", "user-started-speaking", "bot-interrupted"), "listening");
});

test("a turn without an answer, a new link and a change of state end the thinking, and nothing else", () => {
  for (const type of ["turn", "link", "state"]) {
    assert.equal(fact("thinking", type), "listening");
    assert.equal(fact("speaking", type), "speaking");
  }
  assert.equal(fact("thinking", "frame"), "thinking");
});
