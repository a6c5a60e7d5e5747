import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CHECKS, judge, worst } from "../../web/js/loopback/verdict.js";

const { budgets } = JSON.parse(readFileSync(new URL("../../web/loopback-budgets.json", import.meta.url), "utf8"));

const GOOD_DRILL = { recovered_s: 1.2, waited_s: 30, kept: true, how: "resumed" };
const GOOD = {
  environment: { missing: [], poor: [], clock_skew_s: 0.2 },
  token: { answers: [{ what: "no token", status: 401, expected: 401 }] },
  ice: { servers: [{ url: "turn:a", wanted: "relay", found: ["relay"] }], gather_ms: 120 },
  connectivity: { ways: [{ way: "directly", connectMs: 80 }], slowest_ms: 80 },
  microphone: { rms_dbfs: -30, peak_dbfs: -12, clipped_percent: 0, echo_cancellation: true },
  camera: { pictures: 40, width: 640, height: 480, fps: 20, black_percent: 0, frozen_percent: 0 },
  gateway_view: {
    audio_ms: 5000, rms_dbov: -28, has_camera: true, frames_whole: 14, frames_sampled: 7, frame_is_black: false,
    loss_percent: 0, made_up_percent: 0, gaps_over_200_ms: 0, delay_ms: 60, encode_ms: 3, dropped: "",
  },
  voice: { pitch_hz: 440, level_dbfs: -15, gaps: 0, concealed_percent: 0 },
  round_trip: { chirps: 30, heard: 30, delay_ms: 310, drift_ppm: 0, glitch_percent: 0, audio_clock_ppm: 20 },
  ttfab: { asked: 10, answered: 10, p50_ms: 900, p95_ms: 1100, sure_slope_ms_per_fps: 0 },
  barge_in: { tries: 3, interrupted: 3, silence_ms: 350, residual_ms: 90 },
  frame_age: { pictures: 10, read: 10, p50_ms: 180, p95_ms: 260, fps: 2.9, unreadable_percent: 0, aspect_error_percent: 0 },
  drill_peer: GOOD_DRILL,
  drill_offline: GOOD_DRILL,
  drill_kill_link: GOOD_DRILL,
  drill_go_away: GOOD_DRILL,
  drill_stall: GOOD_DRILL,
  drill_slow_tool: GOOD_DRILL,
  drill_invalid_argument: GOOD_DRILL,
  limits: { answers: [{ what: "an offer of 70 kB", status: 413, expected: [413] }], ends_in_s: 900 },
  soak: { duration_s: 60, samples: 60, loss_percent: 0, rtt_ms_per_min: 0, underruns: 0, lost_calls: 0 },
};

test("every check passes when all is well, in a sentence", () => {
  assert.deepEqual(Object.keys(GOOD), [...CHECKS]);
  for (const id of CHECKS) {
    const { verdict, reason } = judge(id, GOOD[id], budgets);
    assert.equal(verdict, "PASS", `${id}: ${reason}`);
    assert.match(reason, /^[A-Z0-9].*\.$/);
    assert.doesNotMatch(reason, /undefined|NaN|null/);
  }
});

const BROKEN = [
  ["environment", { missing: ["this page is not secure"] }, "FAIL", /cannot make a call: this page is not secure/],
  ["environment", { poor: ["no WebGL"] }, "WARN", /No WebGL/],
  ["environment", { clock_skew_s: 3 }, "WARN", /differs from the gateway's by 3 s \(budget: up to 2 s\)/],
  ["token", { answers: [{ what: "no token", status: 201, expected: 401 }] }, "FAIL", /no token was answered 201, not 401/],
  [
    "ice",
    { servers: [{ url: "turn:a", wanted: "relay", found: ["host"], error: "401 Unauthorized" }] },
    "FAIL",
    /No relay candidate from turn:a: 401 Unauthorized/,
  ],
  ["ice", { gather_ms: 5000 }, "WARN", /5000 ms/],
  ["connectivity", { ways: [{ way: "over TURN/UDP", hint: "no relay candidate" }] }, "FAIL", /no connection over TURN\/UDP: no relay/i],
  ["microphone", { peak_dbfs: -120, rms_dbfs: -120 }, "FAIL", /silent/],
  ["microphone", { rms_dbfs: -70, peak_dbfs: -60 }, "FAIL", /-70 dBFS \(budget: at least -65 dBFS\)/],
  ["microphone", { echo_cancellation: false }, "WARN", /headphones/],
  ["camera", { pictures: 0, fps: 0 }, "FAIL", /no picture/],
  ["camera", { black_percent: 100 }, "FAIL", /Black pictures make up 100 %/],
  ["camera", { frozen_percent: 100 }, "FAIL", /Frozen/],
  ["camera", { fps: 3 }, "FAIL", /3 fps/],
  ["gateway_view", { audio_ms: 0 }, "FAIL", /decoded no sound/],
  ["gateway_view", { rms_dbov: -127 }, "FAIL", /hears silence/],
  ["gateway_view", { frames_whole: 0, frames_sampled: 0 }, "FAIL", /no picture has reached/i],
  ["gateway_view", { frames_sampled: 0, dropped: "14 undecodable" }, "FAIL", /14 undecodable/],
  ["gateway_view", { frame_is_black: true }, "FAIL", /black/],
  ["gateway_view", { loss_percent: 20 }, "FAIL", /Of the packets, lost on the way up are 20 %/],
  ["gateway_view", { made_up_percent: 9 }, "FAIL", /made up or silent is 9 %/],
  ["voice", { level_dbfs: -120, pitch_hz: 0 }, "FAIL", /nothing is heard/i],
  ["voice", { pitch_hz: 400 }, "FAIL", /440 Hz is heard at 400 Hz/],
  ["voice", { concealed_percent: 12 }, "FAIL", /12 %/],
  ["round_trip", { heard: 0, delay_ms: undefined }, "FAIL", /none of 30 chirps/i],
  ["round_trip", { delay_ms: 1200 }, "FAIL", /Mouth to ear takes 1200 ms/],
  ["round_trip", { drift_ppm: 90 }, "WARN", /90 ppm/],
  ["round_trip", { drift_ppm: 900 }, "FAIL", /delay drifts by 900 ppm \(budget: up to 500 ppm\)/],
  ["round_trip", { audio_clock_ppm: 3476 }, "WARN", /audio clock is slow by 3476 ppm/],
  ["round_trip", { glitch_percent: 40 }, "FAIL", /40 %/],
  ["ttfab", { answered: 0 }, "FAIL", /none of 10 questions/i],
  ["ttfab", { answered: 8 }, "WARN", /2 of 10 questions/],
  ["ttfab", { p50_ms: 3000 }, "FAIL", /3000 ms/],
  ["ttfab", { sure_slope_ms_per_fps: 400 }, "FAIL", /Video costs latency.*400 ms/],
  ["barge_in", { interrupted: 0 }, "FAIL", /talks on when it is spoken over/],
  ["barge_in", { interrupted: 2 }, "FAIL", /1 of 3 times/],
  ["barge_in", { silence_ms: 2000 }, "FAIL", /2000 ms/],
  ["frame_age", { pictures: 0, read: 0 }, "FAIL", /no frame has reached/i],
  ["frame_age", { read: 0 }, "FAIL", /can be read/],
  ["frame_age", { p95_ms: 4000 }, "FAIL", /4000 ms/],
  ["frame_age", { aspect_error_percent: 20 }, "FAIL", /stretched by 20 %/],
  ["token", { for_one_call: true }, "WARN", /use one that is reusable/],
  ["gateway_view", { camera_refused: "The gateway has much to do." }, "FAIL", /not looked at: The gateway has much to do/],
  ["frame_age", { camera_refused: "The gateway has much to do." }, "FAIL", /not looked at: The gateway has much to do/],
  ["drill_peer", { recovered_s: undefined }, "FAIL", /no answer came within 30 s/i],
  ["drill_kill_link", { kept: false }, "FAIL", /conversation was lost/],
  ["drill_offline", { ended: "Your connection was gone for too long." }, "FAIL", /the call ended: Your connection/i],
  ["drill_slow_tool", { function_failed: true }, "FAIL", /function that the model called failed/],
  ["drill_stall", { recovered_s: 25 }, "FAIL", /25 s/],
  ["limits", { answers: [{ what: "a body of no kind", status: 200, expected: [415] }] }, "FAIL", /200, not 415/],
  ["limits", { ends_in_s: undefined }, "FAIL", /not told its limits/],
  ["limits", { ends_in_s: 20 }, "WARN", /ends after 20 s/],
  ["soak", { samples: 1 }, "FAIL", /did not last/],
  ["soak", { rtt_ms_per_min: 400 }, "FAIL", /400 ms/],
  ["soak", { lost_calls: 3 }, "FAIL", /call was lost: 3/],
];

for (const [id, change, verdict, words] of BROKEN) {
  test(`${id} can be ${verdict}: ${Object.keys(change)[0]} ${JSON.stringify(Object.values(change)[0])}`, () => {
    const judged = judge(id, { ...GOOD[id], ...change }, budgets);
    assert.equal(judged.verdict, verdict, judged.reason);
    assert.match(judged.reason, words);
  });
}

test("every check can fail", () => {
  const failing = new Set(BROKEN.filter(([, , verdict]) => verdict === "FAIL").map(([id]) => id.replace(/drill_.*/, "drill")));
  assert.deepEqual([...new Set(CHECKS.map((id) => id.replace(/drill_.*/, "drill")))].filter((id) => !failing.has(id)), []);
});

test("every budget belongs to a number of a check, has limits in order and a reason", () => {
  for (const [key, budget] of Object.entries(budgets)) {
    const [id, name] = key.split(".");
    assert.ok(name in GOOD[id] || (id === "soak" && name.endsWith("_per_min")), key);
    assert.ok(budget.words && budget.why, key);
    if (budget.warn !== null && budget.fail !== null) {
      assert.ok(budget.below ? budget.fail < budget.warn : budget.fail > budget.warn, key);
    }
  }
});

test("a budget without limits allows everything, a changed one is used", () => {
  const loose = { ...budgets, "round_trip.delay_ms": { ...budgets["round_trip.delay_ms"], warn: null, fail: null } };
  assert.equal(judge("round_trip", { ...GOOD.round_trip, delay_ms: 9999 }, loose).verdict, "PASS");
  const tight = { ...budgets, "round_trip.delay_ms": { ...budgets["round_trip.delay_ms"], fail: 100 } };
  assert.equal(judge("round_trip", GOOD.round_trip, tight).verdict, "FAIL");
});

test("the worst verdict speaks for all", () => {
  assert.equal(worst(["PASS", "WARN", "SKIP"]), "WARN");
  assert.equal(worst(["PASS", "FAIL", "WARN"]), "FAIL");
  assert.equal(worst(["SKIP", "PASS"]), "PASS");
  assert.equal(worst([]), "SKIP");
});
