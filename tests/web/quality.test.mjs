import assert from "node:assert/strict";
import { test } from "node:test";

import { QualityVerdict, read } from "../../web/js/quality.js";

function report({ received = 0, lost = 0, frames = 0, limitation = "none", relay = false, up = 0 } = {}) {
  return [
    { id: "t", type: "transport", selectedCandidatePairId: "p" },
    { id: "p", type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r", currentRoundTripTime: 0.05, bytesSent: up, bytesReceived: 0 },
    { id: "l", type: "local-candidate", candidateType: relay ? "relay" : "host", protocol: "udp", relayProtocol: relay ? "tls" : undefined },
    { id: "r", type: "remote-candidate", candidateType: "host", protocol: "udp" },
    { id: "i", type: "inbound-rtp", kind: "audio", packetsReceived: received, packetsLost: lost, jitter: 0.012, concealedSamples: 0, totalSamplesReceived: received * 960 },
    { id: "a", type: "remote-inbound-rtp", kind: "audio", fractionLost: 0.02 },
    { id: "v", type: "remote-inbound-rtp", kind: "video", fractionLost: 0.04 },
    { id: "o", type: "outbound-rtp", kind: "video", framesSent: frames, frameWidth: 512, frameHeight: 384, qualityLimitationReason: limitation },
  ];
}

test("numbers are of the time between two reports", () => {
  const first = read(report(), 0);
  assert.equal(first.facts.lossDown, undefined);
  const { facts } = read(report({ received: 90, lost: 10, frames: 6, up: 50_000 }), 2_000, first.reading);
  assert.deepEqual(facts, {
    path: { local: "host", remote: "host", protocol: "udp", isRelay: false },
    roundTripMs: 50,
    lossDown: 0.1,
    lossUp: 0.04,
    jitterMs: 12,
    concealed: 0,
    downBps: 0,
    upBps: 200_000,
    cameraFps: 3,
    pictureSize: "512×384",
    isPictureStarved: false,
  });
});

test("sound that was made up counts only while the model speaks: in silence nothing is sent", () => {
  const concealed = (received) => {
    const [before, now] = [report(), report({ received })];
    now.find(({ id }) => id === "i").concealedSamples = 4_800;
    return read(now, 1_000, read(before, 0).reading).facts.concealed;
  };
  assert.equal(concealed(50), 0.1);
  assert.equal(concealed(20), undefined);
});

test("a relay is named with the protocol by which it is reached", () => {
  const { path } = read(report({ relay: true }), 0).facts;
  assert.deepEqual(path, { local: "relay", remote: "host", protocol: "tls", isRelay: true });
});

test("Firefox, which names no selected pair in its transport, and tells less, is read as well", () => {
  const pairs = [
    { id: "p1", type: "candidate-pair", state: "failed", localCandidateId: "l1" },
    { id: "p2", type: "candidate-pair", state: "succeeded", selected: true, localCandidateId: "l2", remoteCandidateId: "r" },
    { id: "l2", type: "local-candidate", candidateType: "host", protocol: "udp" },
    { id: "r", type: "remote-candidate", candidateType: "host" },
    { id: "a", type: "remote-inbound-rtp", kind: "audio", roundTripTime: 0.02 },
  ];
  const { facts } = read(pairs, 0);
  assert.equal(facts.path.local, "host");
  assert.equal(facts.roundTripMs, 20);
  assert.equal(facts.cameraFps, undefined);
});

const facts = (more) => ({ lossUp: 0, lossDown: 0, concealed: 0, roundTripMs: 50, isPictureStarved: false, ...more });

test("bad news is told at once and with its reason, good news when it lasts", () => {
  const verdict = new QualityVerdict();
  assert.equal(verdict.feed(facts()).words, "Good connection");
  const weak = verdict.feed(facts({ lossUp: 0.1 }));
  assert.deepEqual([weak.code, weak.words], ["weak", "Weak connection: some of what you say gets lost"]);
  assert.equal(verdict.feed(facts({ roundTripMs: 900 })).code, "poor");
  const codes = [1, 2, 3].map(() => verdict.feed(facts()).code);
  assert.deepEqual(codes, ["poor", "poor", "good"]);
});

test("pictures that are held back for three seconds are told as starved", () => {
  const verdict = new QualityVerdict();
  const starved = (one) => verdict.feed(facts({ isPictureStarved: one })).pictureStarved;
  assert.deepEqual([true, true, true, false].map(starved), [false, false, true, false]);
  const one = read(report({ frames: 5, limitation: "bandwidth" }), 1_000, read(report({ frames: 5 }), 0).reading);
  assert.equal(one.facts.isPictureStarved, true);
});

test("what is not known is no bad news", () => {
  assert.equal(new QualityVerdict().feed({}).code, "good");
});
