import assert from "node:assert/strict";
import { test } from "node:test";

import { delayMs } from "../../web/js/backoff.js";

const ATTEMPTS = [0, 1, 2, 3, 4, 5, 50];

test("waits double from half a second and stop growing at eight", () => {
  assert.deepEqual(ATTEMPTS.map((attempt) => delayMs(attempt, 0)), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
});

test("from the third on they are up to a quarter shorter, by chance", () => {
  assert.deepEqual(ATTEMPTS.map((attempt) => delayMs(attempt, 1)), [500, 1000, 1500, 3000, 6000, 6000, 6000]);
  const waits = new Set(Array.from({ length: 20 }, () => delayMs(4)));
  assert.ok(waits.size > 1);
  assert.ok([...waits].every((ms) => ms >= 6000 && ms <= 8000));
});
