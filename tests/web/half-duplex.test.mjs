import assert from "node:assert/strict";
import { test } from "node:test";

import { HalfDuplex } from "../../web/js/half-duplex.js";

const LOUD = { rmsDb: -30, peakDb: -20 };
const SILENT = { rmsDb: -80, peakDb: -75 };

test("off, it never holds the microphone", () => {
  const rule = new HalfDuplex();
  assert.equal(rule.feed(0, LOUD, true), false);
});

test("on, it holds while the voice is heard and for the echo after it", () => {
  const rule = new HalfDuplex();
  rule.set(true);
  assert.equal(rule.feed(0, SILENT, false), false);
  assert.equal(rule.feed(100, LOUD, false), true);
  assert.equal(rule.feed(400, SILENT, false), true);
  assert.equal(rule.feed(500, SILENT, false), false);
});

test("where the voice cannot be measured, the gateway's word counts", () => {
  const rule = new HalfDuplex();
  rule.set(true);
  assert.equal(rule.feed(0, undefined, true), true);
  assert.equal(rule.feed(399, undefined, false), true);
  assert.equal(rule.feed(400, undefined, false), false);
});

test("switched off in the middle of speech, it lets go at once", () => {
  const rule = new HalfDuplex();
  rule.set(true);
  rule.feed(0, LOUD, true);
  rule.set(false);
  assert.equal(rule.feed(10, LOUD, true), false);
});
