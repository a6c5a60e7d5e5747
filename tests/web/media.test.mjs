import assert from "node:assert/strict";
import { test } from "node:test";

import { deviceProblem, Media } from "../../web/js/media.js";
import { FakeClock, FakeDevices } from "./fakes.mjs";

const BOTH = { camera: true };

function used() {
  const devices = new FakeDevices();
  const clock = new FakeClock();
  const told = [];
  const media = new Media({
    mediaDevices: devices,
    isSecure: true,
    clock,
    onEnded: (device) => told.push(`${device} ended`),
    onSilenced: (device, silenced) => told.push(`${device} ${silenced ? "taken" : "back"}`),
  });
  return { clock, devices, media, told };
}

test("every failure has a sentence and a code of its own, for either device", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "SecurityError", "TypeError"];
  const problems = names.flatMap((name) => ["microphone", "camera"].map((device) => deviceProblem(name, device)));
  assert.equal(new Set(problems.map(({ message }) => message)).size, names.length * 2);
  assert.equal(new Set(problems.map(({ code }) => code)).size, names.length);
});

test("both devices are asked for in one question", async () => {
  const { devices, media } = used();
  assert.equal(await media.open(BOTH), undefined);
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
  assert.equal(media.camera.contentHint, "detail");
});

test("what is open already is not asked for again", async () => {
  const { devices, media } = used();
  await media.open(BOTH);
  await media.open(BOTH);
  assert.equal(devices.asked.length, 1);
  media.stopCamera();
  await media.open(BOTH);
  assert.deepEqual(Object.keys(devices.asked[1]), ["video"]);
});

test("a camera that is not wanted is not opened", async () => {
  const { devices, media } = used();
  assert.equal(await media.open({ camera: false }), undefined);
  assert.deepEqual(Object.keys(devices.asked[0]), ["audio"]);
});

test("without a camera the microphone is opened alone, and the reason is told", async () => {
  const { devices, media } = used();
  devices.failures.video = "NotFoundError";
  assert.deepEqual(await media.open(BOTH), deviceProblem("NotFoundError", "camera"));
  assert.equal(media.camera, undefined);
  assert.ok(media.microphone);
});

test("without a microphone there is no call", async () => {
  const { devices, media } = used();
  devices.failures.audio = "NotAllowedError";
  await assert.rejects(media.open(BOTH), deviceProblem("NotAllowedError", "microphone"));
});

test("a page without devices is told whether it is insecure or the browser cannot", async () => {
  const without = (isSecure) => new Media({ mediaDevices: undefined, isSecure });
  await assert.rejects(without(false).open(BOTH), { code: "insecure", message: /HTTPS/ });
  await assert.rejects(without(true).open(BOTH), { code: "unsupported" });
});

test("flip stops the one camera before it opens the one that faces the other way", async () => {
  const { devices, media } = used();
  await media.open(BOTH);
  const { camera } = media;
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (constraints) => {
    assert.equal(camera.isStopped, true);
    return getUserMedia(constraints);
  };
  await media.flipCamera();
  assert.equal(devices.asked[1].video.facingMode, "environment");
  await media.flipCamera();
  assert.equal(devices.asked[2].video.facingMode, "user");
});

test("cameras that do not say which way they look are taken in turn", async () => {
  const { devices, media } = used();
  devices.facing = false;
  await media.open(BOTH);
  await media.flipCamera();
  assert.deepEqual(devices.asked[1].video.deviceId, { exact: "videoinput-1" });
  await media.flipCamera();
  assert.deepEqual(devices.asked[2].video.deviceId, { exact: "videoinput-0" });
});

test("when the other camera cannot be opened the one before comes back, and the failure is told", async () => {
  const { devices, media } = used();
  await media.open(BOTH);
  const getUserMedia = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (constraints) => {
    devices.failures = constraints.video.facingMode === "environment" ? { video: "NotReadableError" } : {};
    return getUserMedia(constraints);
  };
  await assert.rejects(media.flipCamera(), { code: "busy" });
  assert.equal(media.facing, "user");
  assert.equal(media.camera.isStopped, false);
});

test("a chosen microphone and camera are asked for by their id, the old one stops first", async () => {
  const { devices, media } = used();
  await media.open(BOTH);
  const before = media.microphone;
  await media.chooseMicrophone("audioinput-1");
  assert.equal(before.isStopped, true);
  assert.deepEqual(devices.asked[1].audio.deviceId, { exact: "audioinput-1" });
  await media.chooseCamera("videoinput-1");
  assert.deepEqual(devices.asked[2].video.deviceId, { exact: "videoinput-1" });
  assert.deepEqual((await media.inventory()).microphones[1], { id: "audioinput-1", label: "audioinput 1" });
});

test("a device that was chosen another day and is gone gives way to the system's own", async () => {
  const { media } = used();
  Object.assign(media, { microphoneId: "gone", cameraId: "gone" });
  assert.equal(await media.open(BOTH), undefined);
  assert.equal(media.microphone.getSettings().deviceId, "audioinput-0");
  assert.equal(media.camera.getSettings().deviceId, "videoinput-0");
});

test("a device that stops by itself is told, one that was stopped is not", async () => {
  const { media, told } = used();
  await media.open(BOTH);
  const { camera, microphone } = media;
  camera.dispatchEvent(new Event("ended"));
  assert.equal(media.camera, undefined);
  microphone.dispatchEvent(new Event("ended"));
  assert.deepEqual(told, ["camera ended", "microphone ended"]);
  media.stop();
  camera.dispatchEvent(new Event("ended"));
  assert.equal(told.length, 2);
});

test("a device that the system takes for a while is told, and when it is back; a blink is not", async () => {
  const { clock, media, told } = used();
  await media.open(BOTH);
  const { microphone } = media;
  microphone.dispatchEvent(new Event("mute"));
  await clock.advance(500);
  microphone.dispatchEvent(new Event("unmute"));
  await clock.advance(5_000);
  assert.deepEqual(told, []);
  microphone.dispatchEvent(new Event("mute"));
  await clock.advance(800);
  microphone.dispatchEvent(new Event("unmute"));
  assert.deepEqual(told, ["microphone taken", "microphone back"]);
  microphone.dispatchEvent(new Event("mute"));
  media.stop();
  assert.equal(clock.timers.size, 0);
});

test("a device that is opened while the system holds it is told as taken", async () => {
  const { clock, devices, media, told } = used();
  devices.muted = true;
  await media.open(BOTH);
  await clock.advance(800);
  assert.deepEqual(told, ["microphone taken", "camera taken"]);
});

test("a device that opens after the stop is stopped at once", async () => {
  const { devices, media } = used();
  const opening = media.open(BOTH);
  media.stop();
  await opening;
  assert.deepEqual(devices.tracks.map(({ isStopped }) => isStopped), [true, true]);
});
