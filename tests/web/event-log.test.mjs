import assert from "node:assert/strict";
import { test } from "node:test";

import { EventLog, sessionLabel } from "../../web/js/event-log.js";

const clock = { ms: 0, nowMs: () => clock.ms, now: () => new Date("2026-01-02T03:04:05Z") };

test("each message has its kind, its time and words", () => {
  const log = new EventLog(clock);
  clock.ms = 1_500;
  const kinds = [
    { type: "user-transcription", data: { text: "Hello" } },
    { type: "server-message", data: { type: "frame", id: 3, bytes: 9 } },
    { type: "server-message", data: { type: "state", state: "live", reason: "" } },
    { type: "server-message", data: { type: "notice", code: "link_lost", text: "Lost." } },
    { type: "server-message", data: { type: "notice", code: "video_resumed", text: "Seen again.", level: "info" } },
    { type: "server-message", data: { type: "ttfab", ms: 512 } },
    { type: "llm-function-call-started", data: { function_name: "look_up" } },
    { type: "error", data: { message: "No." } },
    { type: "bot-ready" },
  ].map((message) => log.message(message));
  assert.deepEqual(
    kinds.map(({ kind, text }) => `${kind}: ${text}`),
    [
      "speech: user-transcription: Hello",
      "pictures: frame, id 3, bytes 9",
      "call: live",
      "problems: Lost.",
      "call: Seen again.",
      "numbers: ttfab, ms 512",
      "functions: llm-function-call-started look_up",
      "problems: No.",
      "speech: bot-ready",
    ],
  );
  assert.equal(kinds[0].atMs, 1_500);
  clock.ms = 0;
});

test("the newest are kept", () => {
  const log = new EventLog(clock);
  for (let count = 0; count < 1_200; count += 1) log.add("call", String(count));
  assert.equal(log.entries.length, 1_000);
  assert.equal(log.entries.at(-1).text, "1199");
});

test("the file names the session as the gateway's log does, and not the way into it", () => {
  const location = "/v1/sessions/0123456789abcdefghijkl";
  const log = new EventLog(clock);
  log.add("call", "Live");
  const file = JSON.parse(log.asFile({ location, browser: "Test" }));
  assert.equal(file.session, "0123456789abc");
  assert.equal(sessionLabel(location), file.session);
  assert.ok(!JSON.stringify(file).includes("0123456789abcd"));
  assert.deepEqual(file.events.map(({ text }) => text), ["Live"]);
  assert.equal(file.schema, 1);
  assert.equal(file.began, "2026-01-02T03:04:05.000Z");
});
