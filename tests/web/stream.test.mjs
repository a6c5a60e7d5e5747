import assert from "node:assert/strict";
import { test } from "node:test";

import { PART_BYTES } from "../../web/js/stream/allotment.js";
import { StreamCamera } from "../../web/js/stream/camera.js";
import { Stream } from "../../web/js/stream/stream.js";
import { FLUSH, HEARD, message, PICTURE, SOUND, VOICE } from "../../web/js/stream/wire.js";
import {
  fakeAudioContext,
  fakeAudioWorkletNode,
  FakeClock,
  fakeElements,
  FakeStream,
  FakeTrack,
  fakeWebSocket,
  settled,
} from "./fakes.mjs";

const URL_ = "wss://gateway.test/v1/sessions/s1/stream";
const LIMITS = { sizePx: 512, fpsMax: 3 };

function made() {
  const clock = new FakeClock();
  const WebSocket = fakeWebSocket();
  const AudioWorkletNode = fakeAudioWorkletNode();
  const AudioContext = fakeAudioContext(() => 0);
  const document = fakeElements();
  const told = { lost: 0, voices: [] };
  const audioContext = new AudioContext();
  const stream = new Stream({
    WebSocket,
    url: URL_,
    protocols: ["gateway.v1"],
    audioContext,
    AudioWorkletNode,
    MediaStream: FakeStream,
    document,
    clock,
    onVoice: (track) => told.voices.push(track),
    onLost: () => (told.lost += 1),
  });
  stream.addVoice(new FakeTrack("audio"));
  const speak = (count = 1) => {
    for (let block = 0; block < count; block += 1) {
      AudioWorkletNode.made["stream-microphone"].port.onmessage({ data: new ArrayBuffer(1280) });
    }
  };
  const plays = (seq) => AudioWorkletNode.made["stream-voice"].port.onmessage({ data: seq });
  const hear = (seq) => WebSocket.newest.onmessage({ data: message(HEARD, seq) });
  const speaker = () => AudioWorkletNode.made["stream-voice"].posted;
  return { audioContext, AudioWorkletNode, clock, document, hear, plays, speak, speaker, stream, told, WebSocket };
}

function open({ WebSocket }, { stream = "k1", heard = null } = {}) {
  const socket = WebSocket.newest;
  socket.readyState = 1;
  socket.bufferedAmount = 0;
  socket.onmessage({ data: JSON.stringify({ type: "open", session: "s1", stream, heard }) });
  return socket;
}

async function connected() {
  const parts = made();
  const outcome = parts.stream.connect();
  await settled();
  open(parts);
  await outcome;
  return parts;
}

/** The numbers of what was sent of a kind. */
function sent(socket, wanted) {
  const headers = socket.sent.map((data) => new DataView(data));
  return headers.filter((header) => header.getUint8(0) === wanted).map((header) => header.getUint32(4));
}

test("a stream opens its ways of sound and a socket, and sends what is said by numbers", async () => {
  const { audioContext, speak, told, WebSocket } = await connected();
  assert.deepEqual(audioContext.modules.map((url) => url.split("/").at(-1)), ["microphone-worklet.js", "voice-worklet.js"]);
  assert.equal(WebSocket.newest.url, URL_);
  assert.deepEqual(WebSocket.newest.protocols, ["gateway.v1"]);
  assert.equal(told.voices.length, 1);
  speak(3);
  assert.deepEqual(sent(WebSocket.newest, SOUND), [0, 1, 2]);
  assert.ok(WebSocket.newest.sent.every((data) => data.byteLength === 1288));
});

test("the voice is handed to the speaker, and told as heard when it was played", async () => {
  const { plays, speaker, WebSocket } = await connected();
  WebSocket.newest.onmessage({ data: message(VOICE, 7, new ArrayBuffer(960)) });
  WebSocket.newest.onmessage({ data: message(FLUSH, 9) });
  const [voice, flush] = speaker().slice(-2);
  assert.deepEqual([voice.seq, voice.samples.byteLength], [7, 960]);
  assert.deepEqual(flush, { flush: 9 });
  assert.deepEqual(sent(WebSocket.newest, HEARD), []);
  plays(7);
  assert.deepEqual(sent(WebSocket.newest, HEARD), [7]);
});

test("after a drop another socket goes on: nothing that was said is lost or sent twice that had arrived", async () => {
  const parts = await connected();
  const { hear, plays, speak, stream, told, WebSocket } = parts;
  speak(10);
  hear(5);
  plays(31);
  WebSocket.newest.onclose({ code: 1006 });
  assert.equal(told.lost, 1);
  speak(125); // five seconds
  const outcome = stream.restart(undefined, new AbortController().signal);
  assert.equal(WebSocket.newest.url, `${URL_}?stream=k1&heard=31`);
  const socket = open(parts, { heard: 7 }); // two more had come than it could tell
  await outcome;
  speak(1);
  assert.deepEqual(sent(socket, SOUND), Array.from({ length: 128 }, (_, index) => 8 + index));
  assert.deepEqual(parts.speaker(), [{ cut: true }, { begin: true }, { cut: true }]); // the voice is the same
});

test("a gateway that knows nothing of the stream hears what was kept, and its voice begins anew", async () => {
  const parts = await connected();
  parts.speak(4);
  parts.plays(8);
  parts.WebSocket.newest.onclose({ code: 1012 });
  const outcome = parts.stream.restart(undefined, new AbortController().signal);
  const socket = open(parts, { stream: "k2" });
  await outcome;
  assert.deepEqual(sent(socket, SOUND), [0, 1, 2, 3]);
  assert.deepEqual(parts.speaker().at(-1), { begin: true });
  await parts.clock.advance(1_000);
  assert.deepEqual(sent(socket, HEARD), [0]); // it has played nothing of it
});

test("a socket that does not open rejects, and one that is not wanted any more is closed", async () => {
  const parts = made();
  const outcome = parts.stream.connect();
  await settled();
  parts.WebSocket.newest.onclose({ code: 1006 });
  await assert.rejects(outcome, { code: "no_way" });
  const limit = new AbortController();
  const again = parts.stream.restart(undefined, limit.signal);
  limit.abort();
  await assert.rejects(again, /given up/);
  assert.equal(parts.WebSocket.newest.isClosed, true);
  assert.equal(parts.told.lost, 0); // it never was there
});

test("a way back that is silent while sound does not arrive counts as lost after two seconds", async () => {
  const { clock, hear, speak, told, WebSocket } = await connected();
  speak(1);
  await clock.advance(1_900);
  hear(0);
  speak(1);
  await clock.advance(1_900);
  assert.equal(told.lost, 0);
  await clock.advance(600);
  assert.equal(told.lost, 1);
  assert.equal(WebSocket.newest.isClosed, true);
});

test("who says nothing for a second tells what was heard", async () => {
  const { clock, plays, WebSocket } = await connected();
  plays(3);
  await clock.advance(3_100);
  assert.deepEqual(sent(WebSocket.newest, HEARD), [3, 3, 3, 3]);
});

test("sound that would come five seconds late is left out, and a number tells of it", async () => {
  const { clock, hear, speak, WebSocket } = await connected();
  speak(2);
  for (let second = 0; second < 6; second += 1) {
    await clock.advance(1_000);
    WebSocket.newest.onmessage({ data: message(VOICE, second + 1, new ArrayBuffer(960)) }); // the way back is alive
  }
  speak(3);
  assert.deepEqual(sent(WebSocket.newest, SOUND), [0, 1]);
  hear(1);
  speak(1);
  assert.deepEqual(sent(WebSocket.newest, SOUND), [0, 1, 5]);
});

// Pictures

/** A camera that delivers pictures of this size. */
async function showing(bytes) {
  const parts = await connected();
  parts.stream.addPicture(new FakeTrack("video"), LIMITS);
  const beat = async () => {
    await parts.clock.advance(40);
    parts.speak(1);
    for (const deliver of parts.document.jpegs.splice(0)) deliver(new Uint8Array(bytes));
    await new Promise((resolve) => setImmediate(resolve)); // the bytes of a blob
  };
  return { ...parts, beat };
}

test("a picture goes in parts between blocks of sound, as many as arrive in time", async () => {
  const { beat, document, hear, WebSocket } = await showing(3 * PART_BYTES);
  for (let block = 0; block < 50; block += 1) {
    await beat();
    hear(block);
  }
  const kinds = WebSocket.newest.sent.map((data) => new DataView(data)).filter((header) => header.getUint8(0) !== HEARD);
  const order = kinds.map((header) => header.getUint8(0));
  assert.deepEqual(order.slice(0, 4), [SOUND, PICTURE, SOUND, PICTURE]); // one part on its way at a time, to begin with
  assert.ok(sent(WebSocket.newest, SOUND).every((seq, index) => seq === index));
  const pictures = kinds.filter((header) => header.getUint8(0) === PICTURE);
  assert.deepEqual(pictures.map((header) => header.getUint8(1)).slice(0, 3), [1, 1, 0]);
  const whole = pictures.filter((header) => header.getUint8(1) === 0).map((header) => header.getUint32(4));
  assert.deepEqual(whole, whole.map((_, index) => index));
  assert.ok(whole.length >= 5 && whole.length <= 7, `${whole.length}`); // three a second
  assert.deepEqual(document.drawn[0], [0, 0, 512, 384]);
});

test("a socket that holds more than 64 KB gets sound alone, and a picture again when it has calmed down", async () => {
  const { beat, hear, WebSocket } = await showing(3 * PART_BYTES);
  const socket = WebSocket.newest;
  await beat();
  await beat();
  const before = sent(socket, PICTURE).length;
  assert.ok(before > 0);
  socket.bufferedAmount = 65_537;
  for (let block = 0; block < 100; block += 1) {
    await beat();
    hear(1 + block);
  }
  assert.equal(sent(socket, PICTURE).length, before);
  assert.equal(sent(socket, SOUND).length, 102);
  socket.bufferedAmount = 0;
  for (let block = 0; block < 100; block += 1) {
    await beat();
    hear(102 + block);
  }
  const after = sent(socket, PICTURE);
  assert.ok(after.length > before);
  assert.equal(after[before], after[before - 1] + 1); // what was cut off is not gone on with
});

test("no picture goes while sound is late, however empty the socket looks", async () => {
  const { beat, hear, WebSocket } = await showing(3 * PART_BYTES);
  for (let block = 0; block < 20; block += 1) {
    await beat();
    hear(block);
  }
  const before = sent(WebSocket.newest, PICTURE).length;
  for (let block = 20; block < 200; block += 1) {
    await beat();
    if (block >= 30) hear(block - 10); // 400 ms
  }
  const during = sent(WebSocket.newest, PICTURE).length - before;
  assert.ok(during <= 6, `${during} parts until it was noticed`);
  assert.deepEqual(sent(WebSocket.newest, SOUND).length, 200);
});

test("pictures stop when nobody looks, when the camera is off, and while the gateway wants fewer", async () => {
  const parts = await showing(100);
  const { beat, hear, stream, WebSocket } = parts;
  let block = 0;
  const pass = async (count) => {
    const before = sent(WebSocket.newest, PICTURE).length;
    for (let turn = 0; turn < count; turn += 1, block += 1) {
      await beat();
      hear(block);
    }
    return sent(WebSocket.newest, PICTURE).length - before;
  };
  assert.equal(await pass(25), 3);
  stream.limitPictures(1);
  assert.ok((await pass(50)) <= 2);
  stream.limitPictures(0);
  assert.equal(await pass(50), 0);
  stream.limitPictures(3);
  stream.replacePicture(undefined);
  assert.equal(await pass(50), 0);
  stream.replacePicture(new FakeTrack("video"));
  assert.ok((await pass(25)) >= 2);
});

test("a picture that the browser cannot encode is not sent, and the next one is", async () => {
  const document = fakeElements();
  const camera = new StreamCamera({ document, MediaStream: FakeStream });
  camera.show(new FakeTrack("video"));
  camera.limit(LIMITS);
  camera.take(0);
  document.jpegs.pop()(null);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(camera.hasParts, false);
  camera.take(400);
  assert.equal(document.jpegs.length, 1);
});

test("it tells of itself in the words of WebRTC", async () => {
  const { beat, hear, stream } = await showing(100);
  await beat();
  await beat();
  hear(1);
  const stats = await stream.stats();
  assert.equal(stats.get("way").candidateType, "stream");
  assert.deepEqual([stats.get("pictures").framesSent, stats.get("pictures").frameWidth], [1, 512]);
  assert.equal(stats.get("pair").bytesSent, 2 * 1288 + 108);
  assert.equal(stats.get("pair").currentRoundTripTime, 0);
});

test("nothing is left of a stream that was closed", async () => {
  const { AudioWorkletNode, clock, document, stream, told, WebSocket } = await showing(100);
  stream.close();
  assert.equal(WebSocket.newest.isClosed, true);
  assert.equal(clock.timers.size, 0);
  assert.ok(Object.values(AudioWorkletNode.made).every(({ isConnected, port }) => !isConnected && !port.onmessage));
  assert.equal(document.video.srcObject, null);
  assert.equal(told.lost, 0);
});
