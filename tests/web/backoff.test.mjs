import assert from "node:assert/strict";
import { test } from "node:test";

import { delayMs } from "../../web/js/backoff.js";

test("waits double from half a second and stop growing at eight", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 50].map(delayMs), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
});
