import assert from "node:assert/strict";
import { test } from "node:test";

import { after, IDLE, possible, words } from "../../web/js/call-state.js";

const LOOK = { type: "look" };
const LOOKED = { type: "looked", cameraOn: true, cameraCount: 2 };
const START = { type: "start" };
const DEVICES = { type: "devices", cameraOn: true, cameraCount: 2 };
const CONNECTED = { type: "peer", connected: true };
const LOST = { type: "peer", connected: false, reason: "Lost." };
const gateway = (state, reason = "") => ({ type: "gateway", state, reason });
const end = (reason) => ({ type: "end", failure: { reason, code: "c", next: "Call again.", retryAfterS: 5 } });

const reached = (...events) => events.reduce(after, IDLE);
const can = (state) => Object.entries(possible(state)).flatMap(([name, on]) => (on ? [name] : []));

test("a call goes from idle to live when both legs are there, in either order", () => {
  assert.equal(reached(START).phase, "permission");
  assert.equal(reached(START, DEVICES).phase, "connecting");
  assert.equal(reached(START, DEVICES, gateway("connecting"), CONNECTED).phase, "connecting");
  assert.equal(reached(START, DEVICES, gateway("connecting"), CONNECTED, gateway("live")).phase, "live");
  assert.equal(reached(START, DEVICES, gateway("live"), CONNECTED).phase, "live");
});

test("a look at the devices leads back to idle, and from there into the call", () => {
  assert.equal(reached(LOOK).phase, "permission");
  assert.equal(reached(LOOK, LOOKED).phase, "idle");
  assert.equal(reached(LOOK, LOOKED, START, DEVICES).phase, "connecting");
});

test("a look that was refused says why and what to do, and can be repeated", () => {
  const failure = { reason: "It is busy.", code: "busy", next: "Close what uses it.", retryAfterS: undefined };
  const refused = reached(LOOK, { type: "refused", failure });
  assert.deepEqual([words(refused), refused.next], ["Ready: It is busy.", "Close what uses it."]);
  const again = after(refused, LOOK);
  assert.deepEqual([again.phase, again.reason, again.next], ["permission", "", ""]);
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

test("offline is said while there is a call, whatever its phase", () => {
  const offline = { type: "network", online: false };
  assert.match(words(reached(START, DEVICES, CONNECTED, offline)), /^Live: this device is offline/);
  assert.match(words(reached(START, DEVICES, CONNECTED, LOST, offline)), /^Reconnecting: this device is offline/);
  assert.equal(words(reached(START, DEVICES, CONNECTED, offline, { type: "network", online: true })), "Live");
  assert.equal(words(reached(START, DEVICES, offline, end("Over."))), "Ended: Over.");
});

test("a call ends once, with the first reason and its next step, and nothing brings it back", () => {
  const later = [CONNECTED, gateway("live"), LOST, end("Second."), START, LOOK].reduce(
    after,
    reached(START, DEVICES, end("First.")),
  );
  assert.equal(words(later), "Ended: First.");
  assert.deepEqual([later.code, later.next, later.retryAfterS], ["c", "Call again.", 5]);
});

test("every phase says what can be done", () => {
  assert.deepEqual(can(IDLE), ["start", "look"]);
  assert.deepEqual(can(reached(LOOK)), ["end"]);
  assert.deepEqual(can(reached(LOOK, LOOKED)), ["start", "mute", "camera", "flip"]);
  assert.deepEqual(can(reached(START)), ["end"]);
  const inCall = ["mute", "camera", "flip", "end"];
  assert.deepEqual(can(reached(START, DEVICES)), inCall);
  assert.deepEqual(can(reached(START, DEVICES, CONNECTED)), inCall);
  assert.deepEqual(can(reached(START, DEVICES, LOST)), inCall);
  assert.deepEqual(can(reached(START, DEVICES, end("Over."))), ["start"]);
});

test("flip needs two cameras and one that is on; a camera that is off can be switched on if there is one", () => {
  const withDevices = (cameraOn, cameraCount) => reached(START, { type: "devices", cameraOn, cameraCount });
  assert.deepEqual(can(withDevices(true, 1)), ["mute", "camera", "end"]);
  assert.deepEqual(can(withDevices(false, 2)), ["mute", "camera", "end"]);
  assert.deepEqual(can(withDevices(false, 0)), ["mute", "end"]);
  const off = reached(START, DEVICES, { type: "camera", on: false, cameraCount: 2 });
  assert.deepEqual(can(off), ["mute", "camera", "end"]);
});

test("mute, hold and camera are remembered across a reconnect", () => {
  const camera = { type: "camera", on: false, cameraCount: 2 };
  const state = reached(START, DEVICES, { type: "muted", muted: true }, { type: "held", held: true }, camera, LOST, CONNECTED);
  assert.deepEqual([state.muted, state.held, state.cameraOn], [true, true, false]);
});

test("an unknown event is a defect", () => {
  assert.throws(() => after(IDLE, { type: "?" }), /unknown event/);
});
