import assert from "node:assert/strict";
import { test } from "node:test";

import { Keys } from "../../web/js/keys.js";

const CALM = { nowMs: 0, isTaken: false, canMute: true, muted: false, detailsOpen: false, canEnd: true };
const space = (type, repeat = false) => ({ type, key: " ", repeat });

test("Space mutes, and a short press opens the microphone for good", () => {
  const keys = new Keys();
  assert.equal(keys.feed(space("keydown"), CALM), "mute");
  assert.equal(keys.feed(space("keyup"), { ...CALM, nowMs: 900, muted: true }), undefined);
  assert.equal(keys.feed(space("keydown"), { ...CALM, nowMs: 1_000, muted: true }), "unmute");
  assert.equal(keys.feed(space("keyup"), { ...CALM, nowMs: 1_200 }), undefined);
});

test("Space held while muted opens the microphone for as long as it is held", () => {
  const keys = new Keys();
  assert.equal(keys.feed(space("keydown"), { ...CALM, muted: true }), "unmute");
  assert.equal(keys.feed(space("keydown", true), { ...CALM, nowMs: 300 }), undefined);
  assert.equal(keys.feed(space("keyup"), { ...CALM, nowMs: 2_000 }), "mute");
});

test("Space in a field or on a button, and where there is nothing to mute, is left alone", () => {
  assert.equal(new Keys().feed(space("keydown"), { ...CALM, isTaken: true }), undefined);
  assert.equal(new Keys().feed(space("keydown"), { ...CALM, canMute: false }), undefined);
  assert.equal(new Keys().feed({ type: "keydown", key: "m" }, CALM), undefined);
});

test("Escape closes the details, else leads to End, and never ends anything", () => {
  const escape = { type: "keydown", key: "Escape" };
  assert.equal(new Keys().feed(escape, { ...CALM, detailsOpen: true }), "close");
  assert.equal(new Keys().feed(escape, CALM), "to-end");
  assert.equal(new Keys().feed(escape, { ...CALM, canEnd: false }), undefined);
});
