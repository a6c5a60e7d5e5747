import assert from "node:assert/strict";
import { test } from "node:test";

import { Reattach } from "../../web/js/reattach.js";
import { FakeClock, settled } from "./fakes.mjs";

/** An attempt that never succeeds by itself. */
const hangs = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));

function running(attempt) {
  const clock = new FakeClock();
  const startedAtMs = [];
  const reattach = new Reattach({
    clock,
    attempt: (signal) => {
      startedAtMs.push(clock.now);
      return attempt(signal, startedAtMs.length);
    },
  });
  const result = { value: undefined };
  reattach.run().then(
    (value) => (result.value = value),
    (problem) => (result.value = problem.message),
  );
  return { clock, reattach, result, startedAtMs };
}

const fails = async () => {
  throw new Error("refused");
};

test("it tries at once, then with growing waits, and stops when it worked", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const { clock, result, startedAtMs } = running(async (_, attempt) => attempt === 5 || fails());
  await clock.advance(7_500);
  assert.deepEqual(startedAtMs, [0, 500, 1500, 3500, 7500]);
  assert.equal(result.value, true);
  assert.equal(clock.timers.size, 0);
});

test("it gives up after a minute of refusals", async () => {
  const { clock, result } = running(fails);
  await clock.advance(59_999);
  assert.equal(result.value, undefined);
  await clock.advance(1);
  assert.equal(result.value, false);
});

test("it gives up after a minute of attempts that hang, each cut off", async () => {
  const { clock, result, startedAtMs } = running(hangs);
  await clock.advance(60_000);
  assert.equal(result.value, false);
  assert.deepEqual(startedAtMs, [0, 12_000, 24_000, 36_000, 48_000]);
});

test("a session that is gone ends it at once", async () => {
  const { clock, result, startedAtMs } = running(async () => {
    throw Object.assign(new Error("gone"), { isGone: true });
  });
  await clock.advance(60_000);
  assert.equal(result.value, "gone");
  assert.deepEqual(startedAtMs, [0]);
});

test("hurry cuts the wait short, and an attempt that hangs", async () => {
  const waiting = running(fails);
  await waiting.clock.advance(1600);
  waiting.reattach.hurry();
  await settled();
  assert.deepEqual(waiting.startedAtMs, [0, 500, 1500, 1600]);

  const hanging = running(hangs);
  await hanging.clock.advance(100);
  hanging.reattach.hurry();
  await settled();
  assert.deepEqual(hanging.startedAtMs, [0, 100]);
});

test("stop ends it without another attempt", async () => {
  const { clock, reattach, result, startedAtMs } = running(hangs);
  reattach.stop();
  await clock.advance(60_000);
  assert.equal(result.value, false);
  assert.deepEqual(startedAtMs, [0]);
  assert.equal(clock.timers.size, 0);
});
