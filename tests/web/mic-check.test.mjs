import assert from "node:assert/strict";
import { test } from "node:test";

import { MicCheck } from "../../web/js/mic-check.js";

const level = (rmsDb, peakDb = rmsDb + 6) => ({ rmsDb, peakDb });
const ROOM = level(-65);

test("speech is heard well, and a pause between sentences does not change that", () => {
  const check = new MicCheck();
  assert.equal(check.feed(0, ROOM, undefined).code, "waiting");
  assert.equal(check.feed(100, level(-30), undefined).code, "good");
  assert.equal(check.feed(3_000, ROOM, undefined).code, "good");
  assert.equal(check.feed(4_200, ROOM, undefined).code, "waiting");
});

test("faint, clipping and unknown have words of their own", () => {
  assert.equal(new MicCheck().feed(0, level(-55), undefined).code, "faint");
  assert.equal(new MicCheck().feed(0, level(-8, 0), undefined).code, "clipping");
  assert.equal(new MicCheck().feed(0, undefined, undefined).code, "unknown");
});

test("digital silence is nothing, after a while; a quiet room never is", () => {
  const [dead, room] = [new MicCheck(), new MicCheck()];
  const code = (check, nowMs, what) => check.feed(nowMs, what, undefined).code;
  assert.equal(code(dead, 0, level(-96, -96)), "waiting");
  assert.equal(code(dead, 3_000, level(-96, -96)), "nothing");
  assert.equal(code(dead, 3_100, level(-30)), "good");
  for (let nowMs = 0; nowMs < 20_000; nowMs += 100) assert.equal(code(room, nowMs, ROOM), "waiting");
});

test("a microphone that is muted, or taken by the system, is not judged, and begins anew", () => {
  const check = new MicCheck();
  check.feed(0, level(-96, -96), undefined);
  assert.equal(check.feed(2_900, level(-96, -96), "muted").code, "muted");
  assert.equal(check.feed(3_000, level(-96, -96), "taken").code, "taken");
  assert.equal(check.feed(3_100, level(-96, -96), undefined).code, "waiting");
});
