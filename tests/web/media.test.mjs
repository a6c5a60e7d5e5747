import assert from "node:assert/strict";
import { test } from "node:test";

import { deviceWords, Media } from "../../web/js/media.js";
import { FakeDevices } from "./fakes.mjs";

function used() {
  const devices = new FakeDevices();
  const ended = [];
  const media = new Media({ mediaDevices: devices, onEnded: (device) => ended.push(device) });
  return { devices, ended, media };
}

test("every failure has a sentence of its own, for either device", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "SecurityError", "TypeError"];
  const sentences = names.flatMap((name) => ["microphone", "camera"].map((device) => deviceWords(name, device)));
  assert.equal(new Set(sentences).size, names.length * 2);
});

test("both devices are asked for in one question", async () => {
  const { devices, media } = used();
  assert.equal(await media.open(), "");
  assert.equal(devices.asked.length, 1);
  assert.deepEqual(devices.asked[0].audio, {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
  });
  assert.deepEqual(devices.asked[0].video, {
    facingMode: "user",
    width: { ideal: 640 },
    height: { ideal: 480 },
    frameRate: { ideal: 10, max: 15 },
  });
  assert.equal(media.longSidePx, 640);
});

test("without a camera the microphone is opened alone, and the reason is told", async () => {
  const { devices, media } = used();
  devices.failures.video = "NotFoundError";
  assert.equal(await media.open(), deviceWords("NotFoundError", "camera"));
  assert.equal(media.camera, undefined);
  assert.ok(media.microphone);
});

test("without a microphone there is no call", async () => {
  const { devices, media } = used();
  devices.failures.audio = "NotAllowedError";
  await assert.rejects(media.open(), { message: deviceWords("NotAllowedError", "microphone") });
});

test("an insecure context is told as what it is", async () => {
  const media = new Media({ mediaDevices: undefined, onEnded: () => {} });
  await assert.rejects(media.open(), /HTTPS/);
});

test("flip stops the one camera before it opens the other", async () => {
  const { devices, media } = used();
  await media.open();
  const { camera } = media;
  await media.flipCamera();
  assert.equal(camera.isStopped, true);
  assert.equal(devices.asked[1].video.facingMode, "environment");
  assert.notEqual(media.camera, camera);
});

test("a device that stops by itself is told, one that was stopped is not", async () => {
  const { ended, media } = used();
  await media.open();
  const { camera, microphone } = media;
  camera.dispatchEvent(new Event("ended"));
  assert.equal(media.camera, undefined);
  microphone.dispatchEvent(new Event("ended"));
  assert.deepEqual(ended, ["camera", "microphone"]);
  media.stop();
  camera.dispatchEvent(new Event("ended"));
  assert.equal(ended.length, 2);
});

test("a device that opens after the stop is stopped at once", async () => {
  const { devices, media } = used();
  const opening = media.open();
  media.stop();
  await opening;
  assert.deepEqual(devices.tracks.map(({ isStopped }) => isStopped), [true, true]);
});
