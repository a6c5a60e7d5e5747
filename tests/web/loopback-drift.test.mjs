import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LENGTHS } from "../../web/js/loopback/bench.js";
import { schedule } from "../../web/js/loopback/chirp.js";
import { drift, passages } from "../../web/js/loopback/drift.js";
import { theilSen } from "../../web/js/loopback/numbers.js";
import { judge } from "../../web/js/loopback/verdict.js";

const { budgets } = JSON.parse(readFileSync(new URL("../../web/loopback-budgets.json", import.meta.url), "utf8"));
const recorded = JSON.parse(readFileSync(new URL("round-trips.json", import.meta.url), "utf8"));
const WAY_S = 0.15; // all that does not wait
const STEP_S = 0.01;

/** Chirps through two buffers whose waits are functions of time, on a way that grows by `ppm`. */
function went(count, { ppm = 0, browser = () => 0.03, gateway = () => 0.04, more = () => 0 } = {}) {
  const all = schedule(count).map((sentS, index) => ({
    sentS,
    delayS: WAY_S + browser(sentS) + gateway(sentS) + sentS * ppm * 1e-6 + more(index),
    likeness: 0.95,
  }));
  const readings = [];
  const sums = { browserWaitedS: 0, browserPlayed: 0, gatewayWaitedS: 0, gatewayPlayed: 0 };
  for (let atS = -2; atS < all.at(-1).sentS + 2; atS += 0.02) {
    // What is heard now was sent a delay ago.
    sums.browserWaitedS += 960 * browser(atS - WAY_S - 0.07);
    sums.browserPlayed += 960;
    sums.gatewayWaitedS += gateway(atS - WAY_S / 2);
    sums.gatewayPlayed += 1;
    if (Math.round(atS * 50) % 12 === 0) readings.push({ atS, ...sums });
  }
  return { trips: all, readings };
}

const sureOf = ({ trips, readings }) => Math.round(1e6 * drift(passages(trips, readings)).sure);
const verdictOf = (sure) => judge("round_trip", { chirps: 1, heard: 1, drift_ppm: Math.abs(sure) }, budgets).verdict;
const { short, usual, long } = LENGTHS;
const growing = (atS) => 0.02 + STEP_S * Math.max(0, Math.floor(atS / 5)); // 10 ms every five seconds: 2000 ppm
const toAndFro = (atS) => 0.04 + STEP_S * (Math.floor(Math.max(0, atS) / 7) % 3);

test("a buffer that grows in steps of 10 ms is no drift, in the browser or in the gateway", () => {
  for (const { chirps } of [short, usual, long]) {
    for (const buffers of [{ browser: growing }, { gateway: growing }, { browser: growing, gateway: toAndFro }]) {
      const run = went(chirps, buffers);
      assert.equal(sureOf(run), 0);
    }
  }
  const { trips } = went(usual.chirps, { browser: growing });
  const { slope } = theilSen(trips.map(({ sentS }) => sentS), trips.map(({ delayS }) => delayS));
  assert.ok(slope > 1500e-6, "the delay itself looks like a clock that is off");
});

test("what each buffer held is told for each chirp", () => {
  const { trips, readings } = went(usual.chirps, { browser: () => 0.05, gateway: (atS) => (atS < 10 ? 0.04 : 0.14) });
  const all = passages(trips, readings);
  assert.equal(all.length, usual.chirps);
  for (const { sentS, browserS, gatewayS, restS } of all) {
    if (Math.abs(sentS - 10) < 0.3) continue;
    assert.ok(Math.abs(browserS - 0.05) < 1e-6);
    assert.ok(Math.abs(gatewayS - (sentS < 10 ? 0.04 : 0.14)) < 1e-6);
    assert.ok(Math.abs(restS - WAY_S) < 1e-6);
  }
});

for (const [how, buffers] of [
  ["without steps", {}],
  ["with steps of 10 ms", { browser: growing, gateway: toAndFro }],
]) {
  test(`a drift is judged as the budget says, ${how}`, () => {
    const sure = sureOf(went(long.chirps, { ppm: 300, ...buffers }));
    assert.ok(sure > 50 && sure <= 300, `${sure}`);
    assert.equal(verdictOf(sure), "WARN");
    assert.equal(verdictOf(sureOf(went(long.chirps, { ppm: -300, ...buffers }))), "WARN");
    assert.equal(verdictOf(sureOf(went(long.chirps, { ppm: 1000, ...buffers }))), "FAIL");
    assert.equal(verdictOf(sureOf(went(usual.chirps, { ppm: 2000, ...buffers }))), "FAIL");
    assert.equal(verdictOf(sureOf(went(short.chirps, { ppm: 20_000, ...buffers }))), "FAIL");
  });
}

test("the shorter the run, the more could be hidden in it, and that is told", () => {
  const errors = [short, usual, long].map(({ chirps }) => {
    const { trips, readings } = went(chirps);
    return Math.round(1e6 * drift(passages(trips, readings)).error);
  });
  assert.ok(errors[0] > 5000 && errors[1] > 1000 && errors[1] < 1500 && errors[2] < 250, `${errors}`);
  assert.equal(sureOf(went(short.chirps, { ppm: 300 })), 0);
});

test("pieces of 20 ms that no buffer tells of are no drift", () => {
  assert.equal(sureOf(went(usual.chirps, { more: (index) => (index >= 20 ? 0.02 : 0) })), 0);
  assert.equal(sureOf(went(usual.chirps, { more: (index) => (index % 7 === 3 ? 0.02 : 0) })), 0);
});

for (const name of ["burst", "busy", "long"]) {
  test(`what a browser really did, ${name}, is no drift, and with one it is found`, () => {
    const of = (ppm) => ({
      trips: recorded[name].trips.map(([sentS, ms]) => ({ sentS, delayS: ms / 1000 + sentS * ppm * 1e-6, likeness: 1 })),
      readings: recorded[name].readings.map(([atS, browserWaitedS, browserPlayed, gatewayWaitedS, gatewayPlayed]) => ({
        atS,
        browserWaitedS,
        browserPlayed,
        gatewayWaitedS,
        gatewayPlayed,
      })),
    });
    assert.equal(sureOf(of(0)), 0);
    assert.equal(verdictOf(sureOf(of(3000))), "FAIL");
  });
}

test("without the waits nothing is told of a drift", () => {
  const { trips, readings } = went(usual.chirps);
  const dumb = readings.map(({ atS }) => ({ atS }));
  assert.deepEqual(passages(trips, dumb), []);
  assert.equal(drift([]), undefined);
  assert.equal(drift(passages(trips.map((one) => ({ ...one, delayS: undefined })), readings)), undefined);
});
