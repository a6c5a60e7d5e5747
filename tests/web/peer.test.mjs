import assert from "node:assert/strict";
import { test } from "node:test";

import { Peer } from "../../web/js/peer.js";
import { ANSWER, deferred, FakeClock, fakePeerConnection, FakeTrack, RESTARTED, settled } from "./fakes.mjs";

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
  const outcome = parts.peer.connect(async () => ANSWER);
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
  assert.deepEqual(pc.transceivers[0].init, {
    direction: "sendrecv",
    streams: [stream],
    sendEncodings: [{ priority: "high", networkPriority: "high" }],
  });
  assert.equal(pc.transceivers[1].trackOrKind, picture);
  assert.deepEqual(pc.transceivers[1].init, {
    direction: "sendonly",
    sendEncodings: [
      {
        active: true,
        maxFramerate: 1,
        maxBitrate: 300_000,
        scaleResolutionDownBy: 1.25,
        priority: "low",
        networkPriority: "low",
      },
    ],
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
  answer.resolve(ANSWER);
  await settled();
  assert.match(sent[0], /a=candidate:a/);
  assert.deepEqual(pc.remoteDescription, { type: "answer", sdp: ANSWER });
});

test("a gap in which something still comes, and one of less than two seconds, heal by themselves", async () => {
  const { clock, lost, pc } = await connected();
  pc.become("disconnected");
  await clock.advance(1_900);
  pc.become("connected");
  await clock.advance(60_000);
  pc.become("disconnected");
  for (let second = 0; second < 10; second += 1) {
    pc.bytesReceived += 100;
    await clock.advance(1_000);
  }
  pc.become("connected");
  await clock.advance(60_000);
  assert.deepEqual(lost, []);
});

test("silence for two seconds, a failure, and another network are losses, told once", async () => {
  const gap = await connected();
  gap.pc.become("disconnected");
  await gap.clock.advance(10_000);
  assert.deepEqual(gap.lost, [2_000]);
  assert.equal(gap.pc.signalingState, "stable");

  const failure = await connected();
  failure.pc.become("failed");
  failure.pc.become("failed");
  assert.deepEqual(failure.lost, [0]);

  const hurried = await connected();
  hurried.peer.hurry();
  hurried.peer.hurry();
  assert.deepEqual(hurried.lost, [0]);
});

test("a peer in doubt is lost when nothing comes, and is left alone when something does", async () => {
  const dead = await connected();
  dead.peer.doubt();
  await dead.clock.advance(10_000);
  assert.deepEqual(dead.lost, [2_000]);

  const unheard = await connected();
  unheard.peer.doubt({ isUnheard: true });
  await unheard.clock.advance(10_000);
  assert.deepEqual(unheard.lost, [400]);

  const alive = await connected();
  alive.peer.doubt();
  await alive.clock.advance(200);
  alive.pc.bytesReceived += 1;
  await alive.clock.advance(60_000);
  assert.deepEqual(alive.lost, []);
  assert.equal(alive.clock.timers.size, 0);
});

test("a browser that tells bytes of candidate pairs only is understood too", async () => {
  const { clock, lost, pc, peer } = await connected();
  pc.bytesReceived = undefined;
  pc.stats = [{ id: "p", type: "candidate-pair", bytesReceived: 1 }];
  peer.doubt();
  await clock.advance(200);
  pc.stats[0].bytesReceived += 1;
  await clock.advance(60_000);
  assert.deepEqual(lost, []);
});

test("another microphone, or none, takes the place of the first in its section", async () => {
  const { peer, pc } = await connected();
  peer.addVoice(undefined, {});
  assert.equal(pc.transceivers[0].trackOrKind, "audio");
  const voice = new FakeTrack("audio");
  await peer.replaceVoice(voice);
  assert.equal(pc.transceivers[0].sender.track, voice);
  await peer.replaceVoice(undefined);
  assert.equal(pc.transceivers[0].sender.track, null);
});

test("a restart names new credentials, keeps the tracks, and is over when something comes through", async () => {
  const { clock, lost, peer, pc, sent } = await connected();
  pc.become("failed");
  const patched = [];
  const done = { is: false };
  const patch = async (body) => patched.push(body) && RESTARTED;
  peer.restart(patch, new AbortController().signal).then(() => (done.is = true));
  await clock.advance(1_000);
  assert.match(patched[0], /a=ice-ufrag:u0r/);
  assert.match(pc.remoteDescription.sdp, /192\.0\.2\.2/);
  assert.doesNotMatch(pc.remoteDescription.sdp, /192\.0\.2\.1 /);
  pc.onicecandidate({ candidate: { candidate: "candidate:new" } });
  await settled();
  assert.match(sent.at(-1), /a=ice-ufrag:u0r\r\n[^]*candidate:new/);
  pc.become("connected");
  await clock.advance(1_000);
  assert.equal(done.is, false);
  pc.bytesReceived += 1;
  await clock.advance(1_000);
  assert.equal(done.is, true);
  pc.become("failed");
  assert.equal(lost.length, 2);
});

test("a restart that is given up, refused or impossible rejects", async () => {
  const { clock, peer, pc } = await connected();
  pc.become("failed");
  const limit = new AbortController();
  const restart = peer.restart(async () => RESTARTED, limit.signal);
  const givenUp = assert.rejects(restart);
  await clock.advance(1_000);
  limit.abort();
  await clock.advance(1_000);
  await givenUp;
  await assert.rejects(peer.restart(() => Promise.reject(new Error("No.")), limit.signal), { message: "No." });
  peer.close();
  await assert.rejects(peer.restart(async () => RESTARTED, limit.signal));
});

test("pictures are sent no more often than they are looked at", async () => {
  const { peer, pc } = made();
  await peer.limitPictures(1);
  peer.addPicture(new FakeTrack("video"), { ...LIMITS, fpsMax: 3 });
  await peer.limitPictures(1.5);
  const encoding = () => pc.transceivers[0].init.sendEncodings[0];
  assert.equal(encoding().maxFramerate, 1.5);
  await peer.limitPictures(0);
  assert.equal(encoding().active, false, "while none is looked at, none is sent");
  await peer.limitPictures(2);
  assert.deepEqual([encoding().active, encoding().maxFramerate], [true, 2]);
});

test("a peer that is made while no picture is looked at sends none", () => {
  const { peer, pc } = made();
  peer.addPicture(new FakeTrack("video"), { ...LIMITS, fpsMax: 0 });
  assert.equal(pc.transceivers[0].init.sendEncodings[0].active, false);
});

test("a peer that fails or is closed before it was connected rejects, and is not called lost", async () => {
  const failing = made();
  const failure = failing.peer.connect(async () => ANSWER);
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
  peer.connect(async () => ANSWER).catch(() => {});
  peer.close();
  await peer.replacePicture(new FakeTrack("video"));
  assert.equal(sender.track, null);
});
