import assert from "node:assert/strict";
import { test } from "node:test";

import { CHIRP_S, chirp, schedule, summary, trips } from "../../web/js/loopback/chirp.js";
import { correlate, strongestHz } from "../../web/js/loopback/fft.js";
import { endS, gapsOf, onsetS, peaks, rmsDbfs, SILENCE_DBFS } from "../../web/js/loopback/levels.js";
import { fit, growth, mean, quantile, round, sureSlope, theilSen } from "../../web/js/loopback/numbers.js";
import { isBlack, isFrozen, meanOf, sketch } from "../../web/js/loopback/pictures.js";
import { ageMs, COLUMNS, fieldsOf, read, ROWS } from "../../web/js/loopback/timecode.js";

const RATE_HZ = 48_000;
const LOW_RATE_HZ = 16_000; // for what takes long: a third of the work

/** Numbers that look like chance and are the same each time. */
function chance(seed = 1) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function near(value, expected, within) {
  assert.ok(Math.abs(value - expected) <= within, `${value} is not ${expected} within ${within}`);
}

// Numbers

test("quantiles are interpolated, and of nothing there is none", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([7], 0.95), 7);
  assert.equal(quantile([], 0.5), undefined);
  assert.equal(mean([]), undefined);
  assert.equal(round(undefined, 1), undefined);
  assert.equal(round(1.26, 1), 1.3);
});

test("a line through points is found with its error, and only when there is one", () => {
  const exact = fit([0, 1, 2, 3], [1, 3, 5, 7]);
  near(exact.slope, 2, 1e-12);
  near(exact.intercept, 1, 1e-12);
  near(exact.slopeError, 0, 1e-6);
  assert.equal(fit([1, 1, 1], [1, 2, 3]), undefined);
  assert.equal(fit([1, 2], [1, 2]), undefined);
});

test("noise has no sure slope, a clear slope has one", () => {
  const dice = chance();
  const xs = Array.from({ length: 30 }, (_, index) => index % 3);
  const noise = xs.map(() => 500 + 200 * dice());
  assert.equal(sureSlope(fit(xs, noise)), 0);
  const costly = xs.map((x, index) => noise[index] + 300 * x);
  assert.ok(sureSlope(fit(xs, costly)) > 200);
  assert.ok(sureSlope(fit(xs, costly.map((y) => -y))) < -200);
});

test("a robust line is not turned by points that lie elsewhere, and tells where its slope is", () => {
  const dice = chance(5);
  const xs = Array.from({ length: 40 }, (_, index) => index);
  const ys = xs.map((x) => 3 * x + dice() + (x % 9 === 0 ? 500 : 0));
  const { slope, low, high } = theilSen(xs, ys);
  near(slope, 3, 0.05);
  assert.ok(low < slope && slope < high && high - low < 1);
  assert.deepEqual(theilSen([0, 1, 2, 3], [1, 3, 5, 7]), { slope: 2, low: 2, high: 2 });
  assert.equal(theilSen([1, 2], [1, 2]), undefined);
});

test("what grows goes on; what moved once and stays has not grown", () => {
  const dice = chance(3);
  const xs = Array.from({ length: 60 }, (_, index) => index);
  const noise = xs.map(() => 4 * dice());
  near(growth(xs, xs.map((x) => 40 + 2 * x + noise[x])).sure, 1.9, 0.15);
  near(growth(xs, xs.map((x) => 40 - 2 * x + noise[x])).sure, -1.9, 0.15);
  near(growth(xs, noise).sure, 0, 0.05);
  for (const moved of [(x) => (x > 20 ? 110 : 0), (x) => (x > 30 ? 110 : 0), (x) => (x > 10 && x < 25 ? 110 : 0)]) {
    near(growth(xs, xs.map((x) => 40 + noise[x] + moved(x))).sure, 0, 0.05);
  }
  assert.equal(growth(xs, xs.map((x) => 40 + x), 600).sure, 0, "by one step it may be off");
  assert.equal(growth([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]), undefined);
});

// Sound

test("correlation finds a pattern where it is", () => {
  const dice = chance();
  const pattern = Float32Array.from({ length: 300 }, () => dice() - 0.5);
  const sound = new Float32Array(2000);
  sound.set(pattern, 1234);
  const values = correlate(sound, pattern);
  assert.equal(values.length, 1701);
  assert.equal(values.indexOf(Math.max(...values)), 1234);
  near(values[1234], pattern.reduce((sum, sample) => sum + sample ** 2, 0), 1e-6);
});

test("the strongest frequency of a sound is found", () => {
  const tone = Float32Array.from({ length: RATE_HZ }, (_, at) => Math.sin((2 * Math.PI * 440 * at) / RATE_HZ));
  near(strongestHz(tone, RATE_HZ), 440, RATE_HZ / 32_768);
});

/** What comes back of chirps, each with its own delay; `undefined` where one is lost. */
function heard(sentS, delayOf, noise = 0.003) {
  const dice = chance(7);
  const sound = Float32Array.from({ length: Math.ceil((sentS.at(-1) + 5) * LOW_RATE_HZ) }, () => noise * (dice() - 0.5));
  const one = chirp(LOW_RATE_HZ);
  sentS.forEach((atS, index) => {
    const delayS = delayOf(index, atS);
    if (delayS === undefined) return;
    const from = Math.round((atS + delayS) * LOW_RATE_HZ);
    for (let at = 0; at < one.length; at += 1) sound[from + at] += 0.3 * one[at];
  });
  return sound;
}

test("the delay of a round trip is found to a fraction of a millisecond, also beyond the distance of the chirps", () => {
  for (const delayS of [0.1834, 1.7512]) {
    const sentS = schedule(12);
    const told = summary(trips(heard(sentS, () => delayS), LOW_RATE_HZ, sentS));
    near(told.delayS, delayS, 0.0001);
    assert.deepEqual([told.chirps, told.heard, told.glitches], [12, 12, 0]);
  }
});

test("delays that move, at once or all the time, are found where they are", () => {
  const sentS = schedule(40);
  for (const delayOf of [(_, atS) => 0.2 + 0.003 * atS, (index) => 0.2 + 0.01 * (index % 5)]) {
    const all = trips(heard(sentS, delayOf), LOW_RATE_HZ, sentS);
    all.forEach(({ sentS: atS, delayS }, index) => near(delayS, delayOf(index, atS), 0.0001));
  }
});

test("a chirp that is lost, torn or jumps is a glitch, and no delay is made up for it", () => {
  const sentS = schedule(12);
  const sound = heard(sentS, (index) => (index === 3 ? undefined : index < 8 ? 0.2 : 0.26));
  const torn = Math.round((sentS[5] + 0.2 + CHIRP_S * 0.1) * LOW_RATE_HZ);
  sound.fill(0, torn, torn + Math.round(CHIRP_S * 0.85 * LOW_RATE_HZ));
  const all = trips(sound, LOW_RATE_HZ, sentS);
  assert.equal(all[3].delayS, undefined);
  assert.equal(all[5].delayS, undefined);
  const told = summary(all);
  assert.deepEqual([told.heard, told.glitches], [10, 3]);
});

test("from silence and from noise no chirp is heard", () => {
  const sentS = schedule(5);
  for (const noise of [0, 0.5]) {
    const told = summary(trips(heard(sentS, () => undefined, noise), LOW_RATE_HZ, sentS));
    assert.deepEqual([told.heard, told.glitches, told.delayS], [0, 5, undefined]);
  }
  assert.equal(summary(trips(new Float32Array(10), LOW_RATE_HZ, sentS)).heard, 0);
});

function toneOf(seconds, amplitude = 0.25) {
  return Float32Array.from({ length: seconds * RATE_HZ }, (_, at) => amplitude * Math.sin(at * 0.05));
}

function joined(...parts) {
  const sound = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    sound.set(part, at);
    at += part.length;
  }
  return sound;
}

const quiet = (seconds) => new Float32Array(seconds * RATE_HZ);

test("levels are those of the scale", () => {
  near(rmsDbfs(toneOf(1, 1)), -3.01, 0.02);
  assert.equal(rmsDbfs(quiet(1)), SILENCE_DBFS);
  assert.equal(rmsDbfs(new Float32Array(0)), SILENCE_DBFS);
  assert.deepEqual(peaks(Float32Array.of(0.5, -1, 1)), { peakDbfs: 0, clipped: 2 });
});

test("sound begins and ends where it does, clicks apart", () => {
  const click = new Float32Array(480).fill(0.5);
  const sound = joined(quiet(0.2), click, quiet(0.3), toneOf(1), quiet(0.1), toneOf(0.5), quiet(1));
  near(onsetS(sound, RATE_HZ), 0.51, 0.011);
  near(endS(sound.subarray(0.51 * RATE_HZ), RATE_HZ, 0.5), 1.6, 0.011);
  near(endS(sound.subarray(0.51 * RATE_HZ), RATE_HZ, 0.05), 1.0, 0.011);
  assert.equal(onsetS(quiet(1), RATE_HZ), undefined);
  assert.equal(endS(toneOf(1), RATE_HZ, 0.5), undefined);
});

test("gaps inside a sound are counted, the silence around it is not", () => {
  const sound = joined(quiet(0.5), toneOf(0.5), quiet(0.04), toneOf(0.5), quiet(0.2), toneOf(0.5), quiet(1));
  const { gaps, longestS } = gapsOf(sound, RATE_HZ);
  assert.equal(gaps, 2);
  near(longestS, 0.2, 0.011);
  assert.deepEqual(gapsOf(quiet(1), RATE_HZ), { gaps: 0, longestS: 0 });
});

// Pictures

function drawn(timeMs, width = 512, height = 384, { blur = 0, change = (luma) => luma } = {}) {
  const fields = fieldsOf(timeMs);
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  const dice = chance(3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const cell = Math.floor((y * ROWS) / height) * COLUMNS + Math.floor((x * COLUMNS) / width);
      const luma = change((fields[cell] ? 235 : 16) + blur * (dice() - 0.5), x, y);
      rgba.fill(luma, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  }
  return rgba;
}

test("a time that is drawn is read back, from small and noisy pictures too", () => {
  for (const timeMs of [0, 1, 123_456_789, 2 ** 32 - 1]) {
    assert.equal(read(drawn(timeMs), 512, 384), timeMs);
    assert.equal(read(drawn(timeMs, 128, 96, { blur: 120 }), 128, 96), timeMs);
  }
});

test("a picture that is black, turned, mirrored or shifted is no time", () => {
  const black = new Uint8ClampedArray(512 * 384 * 4);
  assert.equal(read(black, 512, 384), undefined);
  assert.equal(read(drawn(5, 512, 384, { change: () => 128 }), 512, 384), undefined);
  const rgba = drawn(123_456_789);
  const pixels = new Uint32Array(rgba.buffer.slice(0));
  const turned = new Uint8ClampedArray(Uint32Array.from(pixels).reverse().buffer);
  assert.equal(read(turned, 512, 384), undefined);
  const mirrored = Uint32Array.from(pixels, (_, at) => pixels[at - (at % 512) + 511 - (at % 512)]);
  assert.equal(read(new Uint8ClampedArray(mirrored.buffer), 512, 384), undefined);
  const boxed = drawn(123_456_789, 512, 384, { change: (luma, x, y) => (y < 64 || y >= 320 ? 0 : luma) });
  assert.equal(read(boxed, 512, 384), undefined);
});

test("the age of a picture is right when the time wraps", () => {
  assert.equal(ageMs(2 ** 32 + 40, 2 ** 32 - 60), 100);
  near(ageMs(1000.5, 900), 100.5, 1e-9);
});

test("black and frozen pictures are told from dim and moving ones", () => {
  const of = (luma) => sketch(new Uint8ClampedArray(64 * 48 * 4).fill(luma), 64, 48);
  assert.ok(isBlack(of(0)) && isBlack(of(16)));
  assert.ok(!isBlack(of(40)));
  near(meanOf(of(40)), 40, 0.1);
  const moving = sketch(drawn(5), 512, 384);
  assert.ok(!isBlack(moving));
  assert.ok(isFrozen(moving, moving));
  assert.ok(!isFrozen(moving, sketch(drawn(6), 512, 384)));
});
