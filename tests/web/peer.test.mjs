import assert from "node:assert/strict";
import { test } from "node:test";

import { Peer } from "../../web/js/peer.js";
import { deferred, FakeClock, fakePeerConnection, FakeTrack, settled } from "./fakes.mjs";

const LIMITS = { longSidePx: 640, sizePx: 512, fpsMax: 1 };

function made() {
  const clock = new FakeClock();
  const RTCPeerConnection = fakePeerConnection();
  const lost = [];
  const sent = [];
  const peer = new Peer({
    RTCPeerConnection,
    clock,
    iceServers: [],
    sendCandidates: async (body) => sent.push(body),
    onVoice: () => {},
    onLost: () => lost.push(clock.now),
  });
  return { clock, lost, peer, pc: RTCPeerConnection.newest, sent };
}

async function connected() {
  const parts = made();
  const outcome = parts.peer.connect(async () => "answer");
  await settled();
  parts.pc.become("connected");
  await outcome;
  return parts;
}

test("voice goes both ways, the picture one way and no larger than the model looks", () => {
  const { peer, pc } = made();
  const [voice, picture, stream] = [new FakeTrack("audio"), new FakeTrack("video"), {}];
  peer.addVoice(voice, stream);
  peer.addPicture(picture, LIMITS);
  assert.deepEqual(pc.transceivers[0].init, { direction: "sendrecv", streams: [stream] });
  assert.equal(pc.transceivers[1].trackOrKind, picture);
  assert.deepEqual(pc.transceivers[1].init, {
    direction: "sendonly",
    sendEncodings: [{ maxFramerate: 1, maxBitrate: 300_000, scaleResolutionDownBy: 1.25 }],
  });
});

test("a small picture is not enlarged, and a camera that is off keeps its section", () => {
  const { peer, pc } = made();
  peer.addPicture(undefined, { ...LIMITS, longSidePx: 320 });
  assert.equal(pc.transceivers[0].trackOrKind, "video");
  assert.equal(pc.transceivers[0].init.sendEncodings[0].scaleResolutionDownBy, 1);
});

test("candidates found before the answer wait for it", async () => {
  const { peer, pc, sent } = made();
  const answer = deferred();
  peer.connect(() => answer.promise);
  await settled();
  pc.onicecandidate({ candidate: { candidate: "candidate:a" } });
  await settled();
  assert.equal(sent.length, 0);
  answer.resolve("answer");
  await settled();
  assert.match(sent[0], /a=candidate:a/);
  assert.deepEqual(pc.remoteDescription, { type: "answer", sdp: "answer" });
});

test("a gap of less than four seconds heals by itself", async () => {
  const { clock, lost, pc } = await connected();
  pc.become("disconnected");
  await clock.advance(3_999);
  pc.become("connected");
  await clock.advance(60_000);
  assert.deepEqual(lost, []);
});

test("a longer gap, a failure, and a gap when the network is back are losses, told once", async () => {
  const gap = await connected();
  gap.pc.become("disconnected");
  await gap.clock.advance(4_000);
  assert.deepEqual(gap.lost, [4_000]);
  assert.equal(gap.pc.signalingState, "closed");

  const failure = await connected();
  failure.pc.become("failed");
  failure.pc.become("failed");
  assert.deepEqual(failure.lost, [0]);

  const hurried = await connected();
  hurried.peer.hurry();
  assert.deepEqual(hurried.lost, []);
  hurried.pc.become("disconnected");
  hurried.peer.hurry();
  assert.deepEqual(hurried.lost, [0]);
});

test("a peer that fails or is closed before it was connected rejects, and is not called lost", async () => {
  const failing = made();
  const failure = failing.peer.connect(async () => "answer");
  await settled();
  failing.pc.become("failed");
  await assert.rejects(failure);
  assert.deepEqual(failing.lost, []);

  const closing = made();
  const closed = closing.peer.connect(() => new Promise(() => {}));
  closing.peer.close();
  await assert.rejects(closed);

  const refused = made();
  await assert.rejects(refused.peer.connect(() => Promise.reject(new Error("No."))), { message: "No." });
});

test("a closed peer takes no picture", async () => {
  const { peer, pc } = made();
  peer.addPicture(new FakeTrack("video"), LIMITS);
  const { sender } = pc.transceivers[0];
  await peer.replacePicture(undefined);
  assert.equal(sender.track, null);
  peer.connect(async () => "answer").catch(() => {});
  peer.close();
  await peer.replacePicture(new FakeTrack("video"));
  assert.equal(sender.track, null);
});
