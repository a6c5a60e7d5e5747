import assert from "node:assert/strict";
import { test } from "node:test";

import { ended, failureOf, nextStep } from "../../web/js/failures.js";
import { GatewayProblem } from "../../web/js/http.js";
import { deviceProblem } from "../../web/js/media.js";

test("a code decides before a status, and what nobody has heard of has a next step too", () => {
  assert.match(nextStep({ code: "token_expired", status: 401 }), /new link/);
  assert.match(nextStep({ code: "brand_new", status: 401 }), /new link/);
  assert.match(nextStep({ status: 503 }), /Wait/);
  assert.match(nextStep({ code: "brand_new" }), /tell whoever runs/);
  assert.match(nextStep({ status: 418 }), /tell whoever runs/);
});

test("every failure of a device leads somewhere", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "SecurityError", "TypeError"];
  const steps = names.map((name) => nextStep(deviceProblem(name, "microphone")));
  assert.equal(new Set(steps).size, names.length);
  assert.ok(steps.every((step) => step.endsWith(".")));
});

test("a problem keeps its sentence, its code and its wait", () => {
  const problem = new GatewayProblem("All places are taken.", 503, { code: "too_many_sessions", retryAfterS: 5 });
  assert.deepEqual(failureOf(problem), {
    reason: "All places are taken.",
    code: "too_many_sessions",
    next: "Wait a moment, then call again.",
    retryAfterS: 5,
  });
});

test("whoever ended the call needs no advice", () => {
  assert.equal(ended({ reason: "You ended the call.", code: "user" }).next, "");
});
