import assert from "node:assert/strict";
import { test } from "node:test";

import { Call } from "../../web/js/call.js";
import { words } from "../../web/js/call-state.js";
import { GatewayClient } from "../../web/js/gateway-client.js";
import {
  deferred,
  FakeClock,
  FakeDevices,
  FakeGateway,
  fakePeerConnection,
  FakeStream,
  fakeWebSocket,
  json,
  problem,
  settled,
} from "./fakes.mjs";

const LOCATION = "/v1/sessions/s1";

function made() {
  const clock = new FakeClock();
  const gateway = new FakeGateway();
  const devices = new FakeDevices();
  const RTCPeerConnection = fakePeerConnection();
  const WebSocket = fakeWebSocket();
  const screen = { isHeld: false };
  const shown = { notices: [], lines: [], pictures: [] };
  const view = {
    state: (state) => Object.assign(shown, { state, lines: [...shown.lines, words(state)] }),
    captions: (entries) => (shown.captions = entries),
    notice: (text) => shown.notices.push(text),
    selfView: (camera) => (shown.camera = camera),
    voice: (track) => (shown.voice = track),
    frame: (picture, { id }) => shown.pictures.push(id),
    session: (location) => (shown.location = location),
    note: (text) => (shown.note = text),
  };
  const call = new Call({
    client: new GatewayClient({ fetch: gateway.fetch }),
    clock,
    mediaDevices: devices,
    RTCPeerConnection,
    MediaStream: FakeStream,
    WebSocket,
    wakeLock: { hold: () => (screen.isHeld = true), release: () => (screen.isHeld = false) },
    pageUrl: "https://gateway.test/",
    view,
  });
  const says = (type, data) => WebSocket.newest.say({ type, data });
  const states = (state, reason = "") => says("server-message", { type: "state", state, reason });
  return { call, clock, devices, gateway, RTCPeerConnection, says, screen, shown, states, WebSocket };
}

/** Fetch settles over more turns than a promise does: bodies are streams. */
async function answered(clock) {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(0);
  }
}

async function live() {
  const parts = made();
  parts.call.start();
  await answered(parts.clock);
  parts.RTCPeerConnection.newest.become("connected");
  parts.WebSocket.newest.onopen();
  parts.states("live");
  await answered(parts.clock);
  assert.equal(parts.shown.state.phase, "live");
  return parts;
}

/** Nothing is left: no device, no peer, no socket, no timer, no lock. */
function assertNothingIsLeft({ clock, devices, RTCPeerConnection, screen, shown, WebSocket }) {
  assert.deepEqual(devices.tracks.filter(({ isStopped }) => !isStopped), []);
  assert.deepEqual(RTCPeerConnection.made.filter(({ signalingState }) => signalingState !== "closed"), []);
  assert.deepEqual(WebSocket.opened.filter(({ isClosed }) => !isClosed), []);
  assert.equal(clock.timers.size, 0);
  assert.equal(screen.isHeld, false);
  assert.equal(shown.camera, undefined);
}

test("a call from the tap to the end", async () => {
  const parts = await live();
  const { call, clock, gateway, RTCPeerConnection, shown, WebSocket } = parts;
  assert.deepEqual(RTCPeerConnection.newest.configuration.iceServers, [{ urls: "stun:stun.test" }]);
  assert.equal(RTCPeerConnection.newest.transceivers.length, 2);
  assert.equal(WebSocket.newest.url, `wss://gateway.test${LOCATION}/events`);
  assert.equal(shown.location, LOCATION);
  assert.equal(parts.screen.isHeld, true);

  call.end();
  await answered(clock);
  assert.equal(shown.lines.at(-1), "Ended: You ended the call.");
  assert.equal(gateway.asked("DELETE", LOCATION).length, 1);
  assertNothingIsLeft(parts);
});

test("without a camera there is no video section, and it is said", async () => {
  const { call, clock, devices, RTCPeerConnection, shown } = made();
  devices.failures.video = "NotFoundError";
  call.start();
  await answered(clock);
  assert.equal(RTCPeerConnection.newest.transceivers.length, 1);
  assert.match(shown.notices[0], /No camera was found.*voice alone/);
});

test("a refused microphone ends the call with a sentence, and no session was made", async () => {
  const parts = made();
  parts.devices.failures.audio = "NotAllowedError";
  parts.call.start();
  await answered(parts.clock);
  assert.match(parts.shown.lines.at(-1), /^Ended: This page may not use the microphone/);
  assert.equal(parts.gateway.asked("POST", "/v1/sessions").length, 0);
  assertNothingIsLeft(parts);
});

test("a refused session ends the call with the gateway's sentence", async () => {
  const parts = made();
  parts.gateway.answers["POST /v1/sessions"] = () => problem(503, "All places are taken.");
  parts.call.start();
  await answered(parts.clock);
  assert.equal(parts.shown.lines.at(-1), "Ended: All places are taken.");
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 0);
  assertNothingIsLeft(parts);
});

test("ending while the person is still being asked stops the devices that open later", async () => {
  const parts = made();
  parts.call.start();
  parts.call.end();
  await answered(parts.clock);
  assert.equal(parts.devices.tracks.length, 2);
  assert.equal(parts.gateway.asked("POST", "/v1/sessions").length, 0);
  assertNothingIsLeft(parts);
});

test("ending while the session is being made ends the session too", async () => {
  const parts = made();
  const answer = deferred();
  parts.gateway.answers["POST /v1/sessions"] = () => answer.promise;
  parts.call.start();
  await answered(parts.clock);
  parts.call.end();
  answer.resolve(new Response("answer", { status: 201, headers: { Location: LOCATION } }));
  await answered(parts.clock);
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 1);
  assert.equal(parts.WebSocket.opened.length, 0);
  assertNothingIsLeft(parts);
});

test("the gateway's end is shown with its reason and needs no answer", async () => {
  const parts = await live();
  parts.states("ended", "The model cannot be reached any more.");
  parts.call.end();
  await answered(parts.clock);
  assert.equal(parts.shown.lines.at(-1), "Ended: The model cannot be reached any more.");
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 0);
  assertNothingIsLeft(parts);
});

test("captions, pictures, notices and errors are shown", async () => {
  const { clock, says, shown } = await live();
  says("user-transcription", { text: "Hello", final: true });
  says("bot-output", { text: "Hi", segment_id: "turn-1" });
  says("server-message", { type: "frame", id: 7 });
  says("server-message", { type: "notice", text: "Worth knowing.", level: "info" });
  says("error", { message: "Something failed." });
  await answered(clock);
  assert.deepEqual(shown.captions.map(({ text }) => text), ["Hello", "Hi"]);
  assert.deepEqual(shown.pictures, [7]);
  assert.deepEqual(shown.notices, ["Worth knowing.", "Something failed."]);
});

test("a lost peer finds another way: same session, same peer, same tracks", async () => {
  const { clock, devices, gateway, RTCPeerConnection, shown } = await live();
  const peer = RTCPeerConnection.newest;
  peer.become("failed");
  assert.equal(shown.state.phase, "reconnecting");
  await answered(clock);
  assert.match(gateway.asked("PATCH", LOCATION)[0].body, /a=ice-ufrag:u0r/);
  peer.become("connected");
  peer.bytesReceived += 1;
  await clock.advance(1_000);
  assert.equal(shown.state.phase, "live");
  assert.equal(RTCPeerConnection.made.length, 1);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 0);
  assert.equal(devices.tracks.every(({ isStopped }) => !isStopped), true);
});

test("a peer that finds no other way is replaced with the same microphone in the same session", async () => {
  const { clock, devices, gateway, RTCPeerConnection, shown } = await live();
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 0);
  await clock.advance(4_500);
  await answered(clock);
  const [first, second] = RTCPeerConnection.made;
  assert.equal(first.signalingState, "closed");
  assert.equal(second.transceivers[0].sender.track, devices.tracks[0]);
  assert.match(gateway.asked("POST", `${LOCATION}/peer`)[0].body, /a=ice-ufrag:u1/);
  second.onicecandidate({ candidate: { candidate: "candidate:b" } });
  await answered(clock);
  assert.match(gateway.asked("PATCH", LOCATION).at(-1).body, /a=ice-ufrag:u1\r\n[^]*a=candidate:b/);
  second.become("connected");
  await answered(clock);
  assert.equal(shown.state.phase, "live");
});

test("a restart that the gateway refuses is followed by a new peer at once", async () => {
  const { clock, gateway, RTCPeerConnection } = await live();
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 1);
});

test("pictures are sent as often as the gateway wishes, by later peers too", async () => {
  const { clock, gateway, RTCPeerConnection, says } = await live();
  says("server-message", { type: "video_wish", fps: 0.5 });
  await answered(clock);
  const rate = (peer) => peer.transceivers[1].init.sendEncodings[0].maxFramerate;
  assert.equal(rate(RTCPeerConnection.newest), 0.5);
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(RTCPeerConnection.made.length, 2);
  assert.equal(rate(RTCPeerConnection.newest), 0.5);
});

test("a first peer that never connects is replaced as well", async () => {
  const { call, clock, gateway, RTCPeerConnection, shown } = made();
  call.start();
  await answered(clock);
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 1);
  assert.equal(shown.state.phase, "reconnecting");
});

test("refused attempts are repeated with growing waits, and at once when the network is back", async () => {
  const { call, clock, gateway, RTCPeerConnection } = await live();
  gateway.answers[`PATCH ${LOCATION}`] = () => Promise.reject(new TypeError("offline"));
  const attempts = () => gateway.asked("PATCH", LOCATION).length;
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(attempts(), 1);
  await clock.advance(500);
  assert.equal(attempts(), 2);
  await clock.advance(10);
  call.online();
  await answered(clock);
  assert.equal(attempts(), 3);
});

test("after a minute without a way back the call ends, and the gateway is told", async () => {
  const parts = await live();
  parts.gateway.answers[`PATCH ${LOCATION}`] = () => Promise.reject(new TypeError("offline"));
  parts.RTCPeerConnection.newest.become("failed");
  await parts.clock.advance(60_000);
  assert.equal(parts.shown.lines.at(-1), "Ended: Your connection was gone for too long.");
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 1);
  assertNothingIsLeft(parts);
});

test("a session that is gone ends the call, whoever notices first", async () => {
  const gone = "Ended: The gateway does not know this call any more.";
  const byPeer = await live();
  byPeer.gateway.answers[`PATCH ${LOCATION}`] = () => problem(404, "There is no such session.");
  byPeer.RTCPeerConnection.newest.become("failed");
  await answered(byPeer.clock);
  assert.equal(byPeer.shown.lines.at(-1), gone);
  assertNothingIsLeft(byPeer);

  const byEvents = await live();
  byEvents.WebSocket.newest.onclose({ code: 1006 });
  await byEvents.clock.advance(500);
  byEvents.WebSocket.newest.onclose({ code: 1006 });
  await answered(byEvents.clock);
  assert.equal(byEvents.shown.lines.at(-1), gone);
});

test("mute silences the microphone and leaves it open", async () => {
  const { call, devices, shown } = await live();
  call.toggleMute();
  assert.equal(devices.tracks[0].enabled, false);
  assert.equal(devices.tracks[0].isStopped, false);
  assert.equal(shown.state.muted, true);
  call.toggleMute();
  assert.equal(devices.tracks[0].enabled, true);
});

test("where the token allows no pictures there is no video section, the camera is let go, and it is said", async () => {
  const { call, clock, devices, gateway, RTCPeerConnection, shown } = made();
  const video = { allowed: false, fps_max: 1, size_px: 512 };
  gateway.answers["GET /v1/client-config"] = () => json({ upstream: "gemini", video });
  call.start();
  await answered(clock);
  assert.deepEqual(RTCPeerConnection.newest.transceivers.map(({ trackOrKind }) => trackOrKind.kind), ["audio"]);
  assert.ok(devices.tracks.filter(({ kind }) => kind === "video").every(({ isStopped }) => isStopped));
  assert.match(shown.notices[0], /not part of your invitation.*voice alone/);
});

test("camera off stops the device and its picture; on brings another track into the same section", async () => {
  const { call, devices, RTCPeerConnection, shown } = await live();
  const { sender } = RTCPeerConnection.newest.transceivers[1];
  await call.toggleCamera();
  assert.equal(sender.track, null);
  assert.equal(devices.tracks[1].isStopped, true);
  assert.equal(shown.state.cameraOn, false);
  await call.toggleCamera();
  assert.equal(sender.track, devices.tracks[2]);
  assert.equal(shown.camera, devices.tracks[2]);
  assert.equal(shown.state.cameraOn, true);
});

test("a second tap while the camera opens is ignored", async () => {
  const { call, devices } = await live();
  await Promise.all([call.flip(), call.flip()]);
  assert.equal(devices.asked.length, 2);
});

test("a camera that cannot be flipped is off, in words, and can be opened again", async () => {
  const { call, devices, RTCPeerConnection, shown } = await live();
  devices.failures.video = "NotReadableError";
  await call.flip();
  assert.match(shown.notices.at(-1), /camera is busy/);
  assert.equal(shown.state.cameraOn, false);
  assert.equal(RTCPeerConnection.newest.transceivers[1].sender.track, null);
  devices.failures = {};
  await call.toggleCamera();
  assert.equal(shown.state.cameraOn, true);
});

test("a camera that is off while the peer is replaced can be switched on afterwards", async () => {
  const { call, clock, devices, gateway, RTCPeerConnection } = await live();
  await call.toggleCamera();
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  const { sender } = RTCPeerConnection.newest.transceivers[1];
  assert.equal(sender.track, null);
  await call.toggleCamera();
  assert.equal(sender.track, devices.tracks.at(-1));
});

test("a device that is taken away is told in words", async () => {
  const { devices, shown } = await live();
  devices.tracks[1].dispatchEvent(new Event("ended"));
  await settled();
  assert.match(shown.notices.at(-1), /camera was unplugged/);
  assert.equal(shown.state.cameraOn, false);
  devices.tracks[0].dispatchEvent(new Event("ended"));
  assert.match(shown.notices.at(-1), /microphone was unplugged/);
});

test("leaving the page ends the session with a request that outlives it", async () => {
  const parts = await live();
  parts.call.leave();
  assert.equal(parts.gateway.asked("DELETE", LOCATION)[0].keepalive, true);
  assertNothingIsLeft(parts);
});

test("the model can call a function of the page, and gets its result", async () => {
  const { says, shown, WebSocket } = await live();
  WebSocket.newest.accept();
  const called = (id, name, args) =>
    says("llm-function-call", { function_name: name, tool_call_id: id, args });
  called("f1", "show_note", { text: "port 14" });
  called("f2", "show_note", { text: 14 });
  called("f3", "toString", {});
  assert.equal(shown.note, "port 14");
  const [first, second, third] = WebSocket.newest.sent;
  assert.deepEqual(first, {
    label: "rtvi-ai",
    type: "llm-function-call-result",
    id: "f1",
    data: { function_name: "show_note", tool_call_id: "f1", arguments: { text: "port 14" }, result: { output: "shown" } },
  });
  assert.deepEqual(second.data.result, { error: "show_note needs a text." });
  assert.deepEqual(third.data.result, { error: "This page has no function toString." });
});
