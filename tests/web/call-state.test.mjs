import assert from "node:assert/strict";
import { test } from "node:test";

import { after, buttons, IDLE, words } from "../../web/js/call-state.js";

const START = { type: "start" };
const DEVICES = { type: "devices", hasVideo: true, cameraCount: 2 };
const CONNECTED = { type: "peer", connected: true };
const LOST = { type: "peer", connected: false, reason: "Lost." };
const gateway = (state, reason = "") => ({ type: "gateway", state, reason });

const reached = (...events) => events.reduce(after, IDLE);
const enabled = (state) => Object.entries(buttons(state)).flatMap(([name, on]) => (on ? [name] : []));

test("a call goes from idle to live when both legs are there, in either order", () => {
  assert.equal(reached(START).phase, "asking-permission");
  assert.equal(reached(START, DEVICES).phase, "connecting");
  assert.equal(reached(START, DEVICES, gateway("connecting"), CONNECTED).phase, "connecting");
  assert.equal(reached(START, DEVICES, gateway("connecting"), CONNECTED, gateway("live")).phase, "live");
  assert.equal(reached(START, DEVICES, gateway("live"), CONNECTED).phase, "live");
});

test("without events the peer alone makes the call live", () => {
  assert.equal(reached(START, DEVICES, CONNECTED).phase, "live");
});

test("losing either leg is reconnecting, until both are back", () => {
  const lost = reached(START, DEVICES, CONNECTED, gateway("live"), LOST);
  assert.equal(words(lost), "Reconnecting: Lost.");
  assert.equal(after(lost, gateway("live")).phase, "reconnecting");
  assert.equal(after(lost, CONNECTED).phase, "live");

  const modelGone = reached(START, DEVICES, CONNECTED, gateway("reconnecting", "The model is away."));
  assert.equal(words(modelGone), "Reconnecting: The model is away.");
  assert.equal(after(modelGone, CONNECTED).phase, "reconnecting");
  assert.equal(words(after(modelGone, gateway("live"))), "Live");
});

test("a call ends once, with the first reason, and nothing brings it back", () => {
  const ended = reached(START, DEVICES, gateway("ended", "First."));
  const later = [CONNECTED, gateway("live"), LOST, { type: "end", reason: "Second." }, START].reduce(after, ended);
  assert.equal(words(later), "Ended: First.");
});

test("every phase says which buttons can be pressed", () => {
  assert.deepEqual(enabled(IDLE), ["start"]);
  assert.deepEqual(enabled(reached(START)), ["end"]);
  const inCall = ["mute", "camera", "flip", "end"];
  assert.deepEqual(enabled(reached(START, DEVICES)), inCall);
  assert.deepEqual(enabled(reached(START, DEVICES, CONNECTED)), inCall);
  assert.deepEqual(enabled(reached(START, DEVICES, LOST)), inCall);
  assert.deepEqual(enabled(reached(START, DEVICES, { type: "end", reason: "Over." })), ["start"]);
});

test("flip needs two cameras and one that is on; camera needs a call with video", () => {
  const one = reached(START, { ...DEVICES, cameraCount: 1 });
  assert.deepEqual(enabled(one), ["mute", "camera", "end"]);
  assert.deepEqual(enabled(reached(START, DEVICES, { type: "camera", on: false })), ["mute", "camera", "end"]);
  assert.deepEqual(enabled(reached(START, { ...DEVICES, hasVideo: false })), ["mute", "end"]);
});

test("mute and camera are remembered across a reconnect", () => {
  const state = reached(START, DEVICES, { type: "muted", muted: true }, { type: "camera", on: false }, LOST, CONNECTED);
  assert.equal(state.muted, true);
  assert.equal(state.cameraOn, false);
});

test("an unknown event is a defect", () => {
  assert.throws(() => after(IDLE, { type: "?" }), /unknown event/);
});
