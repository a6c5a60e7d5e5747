import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Allotment } from "../../web/js/stream/allotment.js";
import { Jitter } from "../../web/js/stream/jitter.js";
import { Resampler } from "../../web/js/stream/resample.js";
import { Spoken } from "../../web/js/stream/spoken.js";
import { message, read } from "../../web/js/stream/wire.js";

const MESSAGES = JSON.parse(readFileSync(new URL("../corpus/stream/messages.json", import.meta.url), "utf-8"));
const CHUNK = 480; // samples of 20 ms

// The wire

test("messages have the layout that the gateway reads and writes", () => {
  for (const { header, payload, times, from, kind, seq, more } of MESSAGES) {
    const bytes = Buffer.from(header + payload.repeat(times), "hex");
    if (from === "browser") {
      const made = message(kind, seq, Uint8Array.from(Buffer.from(payload.repeat(times), "hex")), more);
      assert.deepEqual(Buffer.from(made), bytes);
    } else {
      const taken = read(Uint8Array.from(bytes).buffer);
      assert.deepEqual({ ...taken, payload: Buffer.from(taken.payload) }, { kind, seq, payload: bytes.subarray(8) });
    }
  }
  assert.deepEqual(new Set(MESSAGES.map(({ from }) => from)), new Set(["browser", "gateway"]));
});

// What was said

const numbers = (spoken) => spoken.unheard.map(({ seq }) => seq);

test("a block is kept until it has been heard", () => {
  const spoken = new Spoken();
  assert.deepEqual([0, 1, 2, 3].map(() => spoken.add(new ArrayBuffer(1))), [0, 1, 2, 3]);
  spoken.heard(1, 0);
  assert.deepEqual(numbers(spoken), [2, 3]);
  spoken.heard(0, 0); // an answer that comes late takes nothing back
  assert.deepEqual(numbers(spoken), [2, 3]);
});

test("fifteen seconds are kept while nothing is heard, and what is skipped is a number only", () => {
  const spoken = new Spoken();
  for (let count = 0; count < 400; count += 1) spoken.add(new ArrayBuffer(1));
  assert.deepEqual([numbers(spoken)[0], spoken.unheard.length], [25, 375]);
  spoken.skip();
  assert.equal(spoken.add(new ArrayBuffer(1)), 401);
  assert.deepEqual(numbers(spoken).slice(-2), [399, 401]);
});

test("late is what takes longer than the shortest delay of a while, also before it arrives", () => {
  const spoken = new Spoken();
  const say = (nowMs) => spoken.sent(spoken.add(new ArrayBuffer(1)), nowMs);
  assert.equal(spoken.delayMs, undefined);
  assert.equal(spoken.lateMs(0), 0);
  say(0);
  spoken.heard(0, 50);
  say(40);
  spoken.heard(1, 140);
  assert.equal(spoken.delayMs, 100);
  assert.equal(spoken.lateMs(140), 50);
  say(200);
  assert.equal(spoken.lateMs(450), 200); // it is on its way for 250 ms
  spoken.heard(2, 10_200); // the short delay is long ago: the way itself is another one
  assert.equal(spoken.lateMs(10_200), 0);
  say(10_300);
  spoken.begin();
  assert.equal(spoken.lateMs(20_000), 0);
  assert.equal(spoken.waitingMs(20_000), 0);
});

// The allotment of pictures

/** Send as many parts as may go before this block. */
function fill(allotment, seq) {
  let parts = 0;
  for (; allotment.hasRoom; parts += 1) allotment.sent(seq);
  return parts;
}

test("what is on its way grows while sound is in time, up to a bound", () => {
  const allotment = new Allotment();
  const sizes = [];
  for (let seq = 0; seq < 400; seq += 1) {
    sizes.push(fill(allotment, seq));
    allotment.heard(seq, 20, seq * 40);
  }
  assert.equal(sizes[0], 1);
  assert.ok(sizes.every((size, index) => index === 0 || size >= sizes[index - 1]));
  assert.equal(sizes.at(-1), 16);
});

test("sound that is late halves it, and while it lasts again until it is shut", () => {
  const allotment = new Allotment();
  for (let seq = 0; seq < 400; seq += 1) {
    fill(allotment, seq);
    allotment.heard(seq, 20, 0);
  }
  allotment.heard(400, 200, 1_000);
  assert.equal(fill(allotment, 401), 8);
  allotment.heard(401, 200, 1_040); // the same lateness
  assert.equal(fill(allotment, 402), 8);
  for (let nowMs = 1_080; nowMs < 2_000; nowMs += 40) allotment.heard(402, 200, nowMs); // it lasts
  assert.equal(allotment.isShut, true);
});

test("after two seconds in which sound was in time one part is tried again", () => {
  const allotment = new Allotment();
  allotment.heard(0, 500, 0);
  assert.equal(allotment.isShut, true);
  allotment.heard(1, 10, 1_900);
  assert.equal(allotment.isShut, true);
  allotment.heard(2, 10, 2_100);
  assert.equal(allotment.isShut, false);
  assert.equal(fill(allotment, 3), 1);
});

test("more than 64 KB in the socket shut it at once", () => {
  const allotment = new Allotment();
  assert.equal(allotment.isOver(65_536, 0), false);
  assert.equal(allotment.hasRoom, true);
  assert.equal(allotment.isOver(65_537, 0), true);
  assert.equal(allotment.hasRoom, false);
  allotment.heard(0, 0, 1_900);
  assert.equal(allotment.hasRoom, false);
  allotment.heard(1, 0, 2_100);
  assert.equal(allotment.hasRoom, true);
});

test("another socket begins with one part, or with none where pictures were held back", () => {
  const open = new Allotment();
  for (let seq = 0; seq < 50; seq += 1) {
    fill(open, seq);
    open.heard(seq, 0, 0);
  }
  fill(open, 50);
  open.begin();
  assert.equal(fill(open, 51), 1);
  const shut = new Allotment();
  shut.isOver(1e6, 0);
  shut.begin();
  assert.equal(shut.hasRoom, false);
});

// The voice

/** 20 ms whose samples are all its number. */
const chunk = (seq) => new Float32Array(CHUNK).fill(seq);

/** What is played in so many pieces of 20 ms: the value of each. */
function played(jitter, count) {
  return Array.from({ length: count }, () => {
    const samples = jitter.pull(CHUNK);
    assert.ok(samples.every((sample) => sample === samples[0]), "a piece is of one chunk");
    return samples[0];
  });
}

test("the voice begins when 80 ms wait, is played in order and once, and told as it is played", () => {
  const jitter = new Jitter();
  jitter.push(1, chunk(1));
  assert.deepEqual(played(jitter, 1), [0]);
  for (const seq of [2, 3, 4]) jitter.push(seq, chunk(seq));
  assert.equal(jitter.heard, undefined);
  assert.deepEqual(played(jitter, 5), [1, 2, 3, 4, 0]);
  assert.equal(jitter.heard, 4);
});

test("words that are shorter than what is waited for are played all the same", () => {
  const jitter = new Jitter();
  jitter.push(1, chunk(1));
  assert.deepEqual(played(jitter, 5), [0, 0, 0, 1, 0]);
});

test("numbers that were left out are silence of their length", () => {
  const jitter = new Jitter();
  for (const seq of [1, 2, 5, 6]) jitter.push(seq, chunk(seq));
  assert.deepEqual(played(jitter, 7), [1, 2, 0, 0, 5, 6, 0]);
});

test("a voice that ran dry in the middle of speech waits for more from then on, and up to a bound", () => {
  const jitter = new Jitter();
  const waits = [];
  for (let seq = 1, turn = 0; turn < 8; turn += 1) {
    let pushed = 0;
    while (jitter.pull(CHUNK)[0] === 0) {
      jitter.push(seq, chunk(seq));
      seq += 1;
      pushed += 1;
    }
    waits.push(pushed * 20);
    while (jitter.queued) jitter.pull(CHUNK);
  }
  assert.deepEqual(waits, [80, 140, 200, 260, 320, 320, 320, 320]);
});

test("a pause between sentences costs no more waiting", () => {
  const jitter = new Jitter();
  for (const seq of [1, 2, 3, 4]) jitter.push(seq, chunk(seq));
  played(jitter, 6);
  for (const seq of [104, 105, 106, 107]) jitter.push(seq, chunk(seq));
  assert.deepEqual(played(jitter, 4), [104, 105, 106, 107]);
});

test("a flush fades what is heard within 10 ms, drops the rest, and plays what is new", () => {
  const jitter = new Jitter();
  for (let seq = 1; seq < 10; seq += 1) jitter.push(seq, chunk(1));
  jitter.pull(CHUNK / 2);
  jitter.flush(12);
  assert.equal(jitter.heard, 11);
  jitter.push(11, chunk(1)); // it was on its way
  const after = jitter.pull(CHUNK);
  assert.equal(after[0], 1);
  assert.ok(after.subarray(0, 240).every((sample, index) => index === 0 || sample < after[index - 1]));
  assert.ok(after.subarray(240).every((sample) => sample === 0));
  for (const seq of [12, 13, 14, 15]) jitter.push(seq, chunk(seq));
  assert.deepEqual(played(jitter, 4), [12, 13, 14, 15]);
});

test("a cut fades and drops what waits, which was not heard, and plays what comes again under new numbers", () => {
  const jitter = new Jitter();
  for (let seq = 1; seq < 10; seq += 1) jitter.push(seq, chunk(seq));
  played(jitter, 3);
  jitter.cut();
  assert.equal(jitter.heard, 3);
  assert.ok(jitter.queued === 0);
  const after = jitter.pull(CHUNK);
  assert.deepEqual([after[0], after[240]], [4, 0]);
  assert.equal(jitter.heard, 3);
  for (const seq of [20, 21, 22, 23]) jitter.push(seq, chunk(seq));
  assert.deepEqual(played(jitter, 4), [20, 21, 22, 23]);
});

test("a stream that begins anew counts from its own beginning", () => {
  const jitter = new Jitter();
  jitter.flush(500);
  jitter.begin();
  assert.equal(jitter.heard, undefined);
  for (const seq of [1, 2, 3, 4]) jitter.push(seq, chunk(seq));
  assert.deepEqual(played(jitter, 4), [1, 2, 3, 4]);
});

// Sampling rates

const tone = (hz, rateHz, count) => Float32Array.from({ length: count }, (_, at) => Math.sin((2 * Math.PI * hz * at) / rateHz));
const power = (samples) => samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;

test("pieces come out as the whole does, at the length of the new rate", () => {
  for (const [fromHz, toHz] of [[48_000, 16_000], [44_100, 16_000], [24_000, 48_000], [24_000, 44_100]]) {
    const sound = tone(300, fromHz, fromHz / 2);
    const whole = new Resampler(fromHz, toHz).push(sound);
    const resampler = new Resampler(fromHz, toHz);
    const pieces = [];
    for (let at = 0; at < sound.length; at += 128) pieces.push(...resampler.push(sound.subarray(at, at + 128)));
    assert.deepEqual(Float32Array.from(pieces), whole);
    assert.ok(Math.abs(whole.length - toHz / 2) <= 1);
  }
});

test("speech passes unchanged, and what the lower rate cannot carry is gone", () => {
  for (const [fromHz, toHz] of [[48_000, 16_000], [44_100, 16_000]]) {
    const kept = new Resampler(fromHz, toHz).push(tone(3_000, fromHz, fromHz)).subarray(800);
    assert.ok(Math.abs(power(kept) - 0.5) < 0.005);
    const gone = new Resampler(fromHz, toHz).push(tone(9_500, fromHz, fromHz)).subarray(800);
    assert.ok(10 * Math.log10(power(gone) / 0.5) < -55, `${10 * Math.log10(power(gone) / 0.5)} dB`);
  }
  const up = new Resampler(24_000, 48_000).push(tone(3_000, 24_000, 24_000)).subarray(2_400);
  const pure = tone(3_000, 48_000, 48_000);
  assert.ok(Math.abs(power(up) - power(pure)) < 0.005);
});
