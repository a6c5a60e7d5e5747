import assert from "node:assert/strict";
import { test } from "node:test";

import { consentWords } from "../../web/js/consent.js";

const config = (upstream, fps_max) => ({ upstream, model: "gemini-3.8-live", video: { fps_max, size_px: 512 } });

test("it names the company, the model, the gateway, the rate and the size", () => {
  const words = consentWords(config("gemini", 3), "gateway.example");
  for (const part of ["Google Gemini", "gemini-3.8-live", "gateway.example", "3 a second", "512 pixels"]) {
    assert.ok(words.includes(part), part);
  }
  assert.match(consentWords(config("vertex", 1), "g"), /Google Vertex AI/);
  assert.match(consentWords(config("vertex", 1), "g"), /one a second/);
});

test("with the simulator it says that nothing leaves the gateway", () => {
  const words = consentWords(config("simulator", 3), "gateway.example");
  assert.match(words, /simulator/);
  assert.match(words, /stay on gateway\.example/);
  assert.doesNotMatch(words, /Google/);
});
