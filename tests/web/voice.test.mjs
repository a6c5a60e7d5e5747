import assert from "node:assert/strict";
import { test } from "node:test";

import { Voice } from "../../web/js/voice.js";
import { FakeAudio, FakeStream, FakeTrack, settled } from "./fakes.mjs";

function made() {
  const element = new FakeAudio();
  const told = [];
  const voice = new Voice({ element, MediaStream: FakeStream, onBlocked: (blocked) => told.push(blocked) });
  return { element, told, voice };
}

test("the tap plays before there is a track, and the track plays by itself", async () => {
  const { element, told, voice } = made();
  voice.unlock();
  assert.equal(element.plays, 1);
  voice.attach(new FakeTrack("audio"));
  await settled();
  assert.equal(element.plays, 2);
  assert.equal(element.playsInline, true);
  assert.deepEqual(told, []);
});

test("a browser that wants a tap is told once, and once more when it got it", async () => {
  const { element, told, voice } = made();
  element.refuses = "NotAllowedError";
  voice.attach(new FakeTrack("audio"));
  await settled();
  await voice.play();
  element.refuses = "AbortError";
  await voice.play();
  assert.deepEqual(told, [true]);
  element.refuses = undefined;
  voice.unlock();
  await settled();
  assert.deepEqual(told, [true, false]);
});

test("a pause that nobody asked for is answered by playing, but not after the end", async () => {
  const { element, voice } = made();
  voice.attach(new FakeTrack("audio"));
  element.onpause();
  assert.equal(element.plays, 2);
  voice.close();
  assert.equal(element.onpause, null);
  assert.equal(element.srcObject, null);
  await voice.play();
  assert.equal(element.plays, 2);
});

test("after a phone call the element is muted and unmuted, so that the volume is looked at again", () => {
  const { element, voice } = made();
  const changes = [];
  Object.defineProperty(element, "muted", { set: (value) => changes.push(value) });
  voice.refresh();
  assert.deepEqual(changes, []);
  voice.attach(new FakeTrack("audio"));
  voice.refresh();
  assert.deepEqual(changes, [true, false]);
});

test("a speaker that is chosen before there is a voice is used when there is one", async () => {
  const { element, voice } = made();
  voice.choose("speaker-1");
  voice.attach(new FakeTrack("audio"));
  await settled();
  assert.equal(element.sinkId, "speaker-1");
  voice.choose("");
  await settled();
  assert.equal(element.sinkId, "");
});
