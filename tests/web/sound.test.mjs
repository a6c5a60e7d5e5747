import assert from "node:assert/strict";
import { test } from "node:test";

import { Sound } from "../../web/js/sound.js";
import { fakeAudioContext, FakeStream, FakeTrack, settled } from "./fakes.mjs";

function made(sample = 0.5) {
  const AudioContext = fakeAudioContext(() => sample);
  return { AudioContext, sound: new Sound({ AudioContext, MediaStream: FakeStream }) };
}

test("before a tap, without a track and without Web Audio nothing is known", async () => {
  const { sound } = made();
  sound.listen("microphone", new FakeTrack("audio"));
  assert.equal(sound.level("microphone"), undefined);
  sound.unlock();
  await settled();
  assert.equal(sound.level("voice"), undefined);
  const without = new Sound({ AudioContext: undefined, MediaStream: FakeStream });
  without.unlock();
  without.listen("microphone", new FakeTrack("audio"));
  assert.equal(without.level("microphone"), undefined);
});

test("a browser that has no more Web Audio to give costs the meters, nothing else", () => {
  const none = class {
    constructor() {
      throw new DOMException("too many", "NotSupportedError");
    }
  };
  const sound = new Sound({ AudioContext: none, MediaStream: FakeStream });
  sound.unlock();
  sound.listen("microphone", new FakeTrack("audio"));
  assert.equal(sound.level("microphone"), undefined);
  assert.equal(sound.context, undefined);
  sound.close();
});

test("levels are in dBFS, and silence is finite", async () => {
  const loud = made(0.5).sound;
  loud.listen("microphone", new FakeTrack("audio"));
  loud.unlock();
  await settled();
  assert.equal(loud.level("microphone").peakDb.toFixed(1), "-6.0");
  assert.equal(loud.level("microphone").rmsDb.toFixed(1), "-6.0");
  const silent = made(0).sound;
  silent.listen("microphone", new FakeTrack("audio"));
  silent.unlock();
  await settled();
  assert.ok(silent.level("microphone").peakDb < -90);
});

test("a context that the system interrupted is resumed, and a closed one stays closed", async () => {
  const { AudioContext, sound } = made();
  sound.unlock();
  AudioContext.made[0].state = "interrupted";
  sound.unlock();
  await settled();
  assert.equal(AudioContext.made[0].state, "running");
  sound.close();
  await settled();
  sound.unlock();
  assert.equal(AudioContext.made.length, 1);
  assert.equal(AudioContext.made[0].state, "closed");
});
