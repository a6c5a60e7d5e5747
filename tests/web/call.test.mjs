import assert from "node:assert/strict";
import { test } from "node:test";

import { Call } from "../../web/js/call.js";
import { words } from "../../web/js/call-state.js";
import { GatewayClient } from "../../web/js/http.js";
import { Stream } from "../../web/js/stream/stream.js";
import {
  deferred,
  FakeAudio,
  fakeAudioContext,
  fakeAudioWorkletNode,
  fakeBrowser,
  FakeClock,
  FakeDevices,
  fakeElements,
  FakeGateway,
  fakePeerConnection,
  FakeStream,
  fakeWebSocket,
  json,
  problem,
  settled,
} from "./fakes.mjs";

const LOCATION = "/v1/sessions/s1";

function made({ token, sample = () => 0.1, loadStream = () => Promise.reject(new Error("not here")) } = {}) {
  const clock = new FakeClock();
  const gateway = new FakeGateway();
  const devices = new FakeDevices();
  const browser = fakeBrowser(devices);
  Object.assign(browser.document, fakeElements());
  const RTCPeerConnection = fakePeerConnection();
  const WebSocket = fakeWebSocket();
  const audio = new FakeAudio();
  const screen = { isHeld: false };
  const shown = { notices: [], lines: [], pictures: [], told: [] };
  const AudioContext = fakeAudioContext((kind) => sample(kind));
  const call = new Call({
    client: new GatewayClient({ fetch: gateway.fetch, token }),
    clock,
    browser,
    RTCPeerConnection,
    MediaStream: FakeStream,
    WebSocket,
    AudioContext,
    AudioWorkletNode: fakeAudioWorkletNode(),
    loadStream,
    audio,
    wakeLock: { hold: () => (screen.isHeld = true), release: () => (screen.isHeld = false) },
    gatewayUrl: "https://gateway.test/",
    functions: {
      show_note: ({ text }) => {
        if (typeof text !== "string") throw new Error("a text, please");
        shown.note = text;
        return { output: "shown" };
      },
    },
  });
  const on = (type, handler) => call.addEventListener(type, ({ detail }) => handler(detail));
  on("state", ({ state }) => Object.assign(shown, { state, lines: [...shown.lines, words(state)] }));
  on("captions", ({ entries, running }) => Object.assign(shown, { captions: entries, running }));
  on("notice", ({ text }) => shown.notices.push(text));
  on("devices", (devices) => Object.assign(shown, devices));
  on("frame", ({ id }) => shown.pictures.push(id));
  on("session", ({ location }) => (shown.location = location));
  for (const type of ["blocked", "limits", "quality", "turn", "microphone"]) {
    on(type, (detail) => shown.told.push({ type, ...detail }));
  }
  const says = (type, data, seq) => WebSocket.newest.say({ type, data, seq });
  const states = (state, reason = "", code) => says("server-message", { type: "state", state, reason, code });
  const told = (type) => shown.told.filter((one) => one.type === type);
  return { audio, AudioContext, browser, call, clock, devices, gateway, RTCPeerConnection, says, screen, shown, states, told, WebSocket };
}

/** Fetch settles over more turns than a promise does: bodies are streams. */
async function answered(clock) {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(0);
  }
}

async function live(options) {
  const parts = made(options);
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
function assertNothingIsLeft({ audio, AudioContext, clock, devices, RTCPeerConnection, screen, shown, WebSocket }) {
  assert.equal(audio.srcObject, null);
  assert.ok(AudioContext.made.every(({ state }) => state === "closed"));
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

test("a second tap begins no second call, and a call that was ended before it began stays ended", async () => {
  const { call, clock, gateway } = await live();
  await call.start();
  await call.resume({ location: LOCATION, seq: 0 });
  await answered(clock);
  assert.equal(gateway.asked("POST", "/v1/sessions").length, 1);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 0);

  const never = made();
  never.call.leave();
  assert.equal(never.call.state.phase, "ended");
  await never.call.start();
  await answered(never.clock);
  assert.equal(never.gateway.asked("POST", "/v1/sessions").length, 0);
  assertNothingIsLeft(never);
});

test("whatever fails in the tap ends the call with a sentence", async () => {
  const { audio, call, clock, shown } = made();
  audio.play = () => {
    throw new Error("This element cannot play.");
  };
  await call.start();
  await answered(clock);
  assert.equal(shown.lines.at(-1), "Ended: This element cannot play.");
  assert.match(shown.state.next, /Try again/);
});

test("without a camera there is no video section, and it is said", async () => {
  const { call, clock, devices, RTCPeerConnection, shown } = made();
  devices.failures.video = "NotFoundError";
  devices.cameras = 0;
  call.start();
  await answered(clock);
  assert.equal(RTCPeerConnection.newest.transceivers.length, 1);
  assert.match(shown.notices[0], /No camera was found.*voice alone/);
});

test("a camera that is busy leaves its place free, and can be opened in the call", async () => {
  const { call, clock, devices, RTCPeerConnection, shown } = made();
  devices.failures.video = "NotReadableError";
  call.start();
  await answered(clock);
  const { sender } = RTCPeerConnection.newest.transceivers[1];
  assert.equal(sender.track, null);
  devices.failures = {};
  await call.setCamera(true);
  assert.equal(sender.track, shown.camera);
  assert.equal(shown.state.cameraOn, true);
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
  parts.gateway.answers["POST /v1/sessions"] = () => problem(503, "All places are taken.", { code: "too_many_sessions", retryAfter: "5" });
  parts.call.start();
  await answered(parts.clock);
  assert.equal(parts.shown.lines.at(-1), "Ended: All places are taken.");
  assert.deepEqual([parts.shown.state.next, parts.shown.state.retryAfterS], ["Wait a moment, then call again.", 5]);
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
  parts.states("ended", "The model cannot be reached any more.", "upstream");
  parts.call.end();
  await answered(parts.clock);
  assert.equal(parts.shown.lines.at(-1), "Ended: The model cannot be reached any more.");
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 0);
  assertNothingIsLeft(parts);
});

test("captions, pictures, notices, limits and errors are told", async () => {
  const { clock, says, shown, told } = await live();
  says("user-transcription", { text: "Hello", final: true });
  says("bot-output", { text: "Hi", segment_id: "turn-1" });
  says("server-message", { type: "frame", id: 7 });
  says("server-message", { type: "notice", text: "Worth knowing.", level: "info" });
  says("error", { message: "Something failed." });
  says("server-message", { type: "limits", left_s: 60 });
  says("llm-function-call-started", { function_name: "look_up", tool_call_id: "1" });
  await answered(clock);
  assert.equal(told("limits")[0].left_s, 60);
  assert.deepEqual(shown.running, ["look_up"]);
  assert.deepEqual(shown.captions.map(({ text }) => text), ["Hello", "Hi", "look_up …"]);
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

test("a peer of which the gateway hears nothing finds another way, unless something comes from there", async () => {
  const heard = await live();
  heard.states("reconnecting", "Nothing arrives from your browser at the moment.");
  await heard.clock.advance(250);
  heard.RTCPeerConnection.newest.bytesReceived += 1;
  await heard.clock.advance(1_000);
  assert.equal(heard.gateway.asked("PATCH", LOCATION).length, 0);

  for (const fact of [
    { type: "unheard", ms: 800 },
    { type: "state", state: "reconnecting", reason: "Nothing arrives from your browser at the moment." },
  ]) {
    const unheard = await live();
    unheard.says("server-message", fact);
    await unheard.clock.advance(1_000);
    await answered(unheard.clock);
    assert.equal(unheard.gateway.asked("PATCH", LOCATION).length, 1, fact.type);
  }
});

test("a restart that the gateway refuses is followed by a new peer at once", async () => {
  const { clock, gateway, RTCPeerConnection } = await live();
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 1);
});

test("a peer that is replaced plays what it has until the next one is answered", async () => {
  const { clock, gateway, RTCPeerConnection } = await live();
  const answer = deferred();
  const taken = gateway.answers[`POST ${LOCATION}/peer`]();
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  gateway.answers[`POST ${LOCATION}/peer`] = () => answer.promise;
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  const [first, second] = RTCPeerConnection.made;
  assert.notEqual(first.signalingState, "closed");
  answer.resolve(taken);
  await answered(clock);
  assert.equal(first.signalingState, "closed");
  assert.notEqual(second.signalingState, "closed");
});

test("asked to move, it brings a new peer at once, once, and without trying the old way", async () => {
  const { clock, gateway, RTCPeerConnection, says, shown, states } = await live();
  says("server-message", { type: "move" });
  assert.match(shown.lines.at(-1), /^Reconnecting: the call moves to another machine.*your conversation is kept/);
  await answered(clock);
  assert.equal(gateway.asked("PATCH", LOCATION).length, 0);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 1);
  says("server-message", { type: "move" });
  states("reconnecting", "Another machine has it.", "moved"); // by the machine that had it, which is late
  await answered(clock);
  RTCPeerConnection.newest.become("connected");
  await answered(clock);
  assert.equal(shown.state.phase, "reconnecting", "the machine that has it has not said live");
  states("reconnecting", "Another machine has it.", "moved");
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 1);
  states("live");
  assert.equal(shown.state.phase, "live");

  states("reconnecting", "Another machine has it.", "moved"); // without having been asked: the first one died
  await answered(clock);
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 2);
  assert.equal(gateway.asked("PATCH", LOCATION).length, 0);
  RTCPeerConnection.newest.become("connected");
  states("live");
  await answered(clock);
  assert.equal(shown.state.phase, "live");
  assert.equal(RTCPeerConnection.made.filter(({ signalingState }) => signalingState !== "closed").length, 1);

  RTCPeerConnection.newest.become("failed"); // afterwards a lost network is again first answered by a restart
  await answered(clock);
  assert.equal(gateway.asked("PATCH", LOCATION).length, 1);
});

test("asked to move while it looks for another way, or connects, it leaves that and brings a new peer", async () => {
  const looking = await live();
  looking.gateway.answers[`PATCH ${LOCATION}`] = () => Promise.reject(new TypeError("offline"));
  looking.RTCPeerConnection.newest.become("failed");
  await answered(looking.clock);
  looking.states("reconnecting", "Another machine has it.", "moved");
  await answered(looking.clock);
  assert.equal(looking.gateway.asked("POST", `${LOCATION}/peer`).length, 1);

  const connecting = made();
  connecting.call.start();
  await answered(connecting.clock);
  connecting.states("reconnecting", "Another machine has it.", "moved");
  await answered(connecting.clock);
  assert.equal(connecting.gateway.asked("POST", `${LOCATION}/peer`).length, 1);
  assert.equal(connecting.gateway.asked("PATCH", LOCATION).length, 0);
  connecting.RTCPeerConnection.newest.become("connected");
  connecting.states("live");
  await answered(connecting.clock);
  assert.equal(connecting.shown.state.phase, "live");
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
  const { browser, clock, gateway, RTCPeerConnection } = await live();
  gateway.answers[`PATCH ${LOCATION}`] = () => Promise.reject(new TypeError("offline"));
  const attempts = () => gateway.asked("PATCH", LOCATION).length;
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  assert.equal(attempts(), 1);
  await clock.advance(500);
  assert.equal(attempts(), 2);
  await clock.advance(10);
  browser.window.dispatchEvent(new Event("online"));
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

/** What the gateway was told of the microphone, since it was looked at last. */
function microphoneTold(WebSocket) {
  const told = WebSocket.newest.sent.splice(0).filter(({ type }) => type === "signalling");
  return told.map(({ message: { type, receiver_index: index, ...status } }) => {
    assert.deepEqual([type, index], ["trackStatus", 0]);
    return status;
  });
}

test("the gateway is told that silence is wanted: by the person, by the system, and again to a new peer", async () => {
  const { call, clock, devices, RTCPeerConnection, states, WebSocket } = await live();
  WebSocket.newest.accept();
  assert.deepEqual(microphoneTold(WebSocket), [{ enabled: true, muted: false }]);
  call.setMuted(true);
  devices.tracks[0].dispatchEvent(new Event("mute"));
  await clock.advance(1_000);
  const off = { enabled: false, muted: true };
  assert.deepEqual(microphoneTold(WebSocket), [{ enabled: false, muted: false }, off]);
  states("reconnecting", "", "moved");
  await answered(clock);
  RTCPeerConnection.newest.become("connected");
  await settled();
  assert.equal(RTCPeerConnection.made.length, 2);
  assert.deepEqual(microphoneTold(WebSocket), [off]);
  devices.tracks[0].dispatchEvent(new Event("unmute"));
  call.setMuted(false);
  assert.deepEqual(microphoneTold(WebSocket), [{ enabled: false, muted: false }, { enabled: true, muted: false }]);
});

test("mute silences the microphone and leaves it open", async () => {
  const { call, devices, shown } = await live();
  call.setMuted(true);
  assert.equal(devices.tracks[0].enabled, false);
  assert.equal(devices.tracks[0].isStopped, false);
  assert.equal(shown.state.muted, true);
  call.setMuted(false);
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
  await call.setCamera(false);
  assert.equal(sender.track, null);
  assert.equal(devices.tracks[1].isStopped, true);
  assert.equal(shown.state.cameraOn, false);
  await call.setCamera(true);
  assert.equal(sender.track, devices.tracks[2]);
  assert.equal(shown.camera, devices.tracks[2]);
  assert.equal(shown.state.cameraOn, true);
});

test("a second tap while the camera opens is ignored", async () => {
  const { call, devices } = await live();
  await Promise.all([call.flip(), call.flip()]);
  assert.equal(devices.asked.length, 2);
});

test("when no camera opens any more, it is off, in words, and can be opened again", async () => {
  const { call, devices, RTCPeerConnection, shown } = await live();
  devices.failures.video = "NotReadableError";
  await call.flip();
  assert.match(shown.notices.at(-1), /camera is busy.*Close what uses it/);
  assert.equal(shown.state.cameraOn, false);
  assert.equal(RTCPeerConnection.newest.transceivers[1].sender.track, null);
  devices.failures = {};
  await call.setCamera(true);
  assert.equal(shown.state.cameraOn, true);
});

test("a camera that is off while the peer is replaced can be switched on afterwards", async () => {
  const { call, clock, devices, gateway, RTCPeerConnection } = await live();
  await call.setCamera(false);
  gateway.answers[`PATCH ${LOCATION}`] = () => problem(409, "It is gone.");
  RTCPeerConnection.newest.become("failed");
  await answered(clock);
  const { sender } = RTCPeerConnection.newest.transceivers[1];
  assert.equal(sender.track, null);
  await call.setCamera(true);
  assert.equal(sender.track, devices.tracks.at(-1));
});

test("a camera that is taken away is told in words", async () => {
  const { devices, shown } = await live();
  devices.tracks[1].dispatchEvent(new Event("ended"));
  await settled();
  assert.match(shown.notices.at(-1), /camera was unplugged/);
  assert.equal(shown.state.cameraOn, false);
});

test("a microphone that is taken away is replaced by the system's own, without another offer", async () => {
  const { call, devices, gateway, RTCPeerConnection, shown } = await live();
  call.setMuted(true);
  devices.tracks[0].dispatchEvent(new Event("ended"));
  await settled();
  const replacement = devices.tracks.at(-1);
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, replacement);
  assert.equal(replacement.enabled, false, "still muted");
  assert.equal(gateway.asked("POST", `${LOCATION}/peer`).length, 0);
  assert.deepEqual(shown.notices, []);
});

test("a microphone that cannot be opened while the page is hidden is opened when it is shown", async () => {
  const { browser, clock, devices, RTCPeerConnection, shown } = await live();
  devices.failures.audio = "NotAllowedError";
  devices.tracks[0].dispatchEvent(new Event("ended"));
  await settled();
  assert.match(shown.notices.at(-1), /may not use the microphone/);
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, null);
  devices.failures = {};
  browser.document.dispatchEvent(new Event("visibilitychange"));
  await answered(clock);
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, devices.tracks.at(-1));
});

test("devices that ended without a word are noticed when the page is shown, and when one is given back", async () => {
  const { browser, clock, devices, RTCPeerConnection, shown } = await live();
  const [microphone, camera] = devices.tracks;
  microphone.readyState = "ended";
  browser.document.dispatchEvent(new Event("visibilitychange"));
  await answered(clock);
  const reopened = devices.tracks.at(-1);
  assert.deepEqual(devices.tracks, [microphone, camera, reopened], "opened once");
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, reopened);
  assert.equal(shown.camera, camera);

  reopened.dispatchEvent(new Event("mute"));
  await clock.advance(1_000);
  reopened.readyState = "ended";
  reopened.dispatchEvent(new Event("unmute"));
  await answered(clock);
  assert.equal(devices.tracks.length, 4);
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, devices.tracks.at(-1));

  camera.readyState = "ended";
  browser.document.dispatchEvent(new Event("visibilitychange"));
  await answered(clock);
  assert.equal(shown.state.cameraOn, false);
  assert.match(shown.notices.at(-1), /camera was unplugged/);
});

test("a phone call that takes the microphone is told, and afterwards the voice is made audible again", async () => {
  const { audio, clock, devices, RTCPeerConnection, shown, told } = await live();
  RTCPeerConnection.newest.ontrack({ track: { kind: "audio" } });
  const plays = audio.plays;
  devices.tracks[0].dispatchEvent(new Event("mute"));
  await clock.advance(1_000);
  assert.match(shown.notices.at(-1), /in use by a phone call/);
  assert.equal(told("microphone").at(-1).code, "taken");
  devices.tracks[0].dispatchEvent(new Event("unmute"));
  assert.match(shown.notices.at(-1), /microphone is back/);
  assert.equal(audio.plays, plays + 1);
});

test("another microphone is sent in place of the first", async () => {
  const { call, devices, RTCPeerConnection, shown } = await live();
  await call.chooseMicrophone("audioinput-1");
  assert.equal(devices.tracks[0].isStopped, true);
  assert.equal(RTCPeerConnection.newest.transceivers[0].sender.track, devices.tracks.at(-1));
  assert.equal(shown.microphone.getSettings().deviceId, "audioinput-1");
});

test("devices that come or go are told", async () => {
  const { clock, devices, shown } = await live();
  devices.cameras = 3;
  devices.dispatchEvent(new Event("devicechange"));
  await answered(clock);
  assert.equal(shown.inventory.cameras.length, 3);
});

test("a look opens the devices without a session, and the call uses what is open", async () => {
  const { call, clock, devices, gateway, shown, told } = made();
  await call.look();
  await clock.advance(200);
  assert.equal(shown.state.phase, "idle");
  assert.equal(shown.camera, devices.tracks[1]);
  assert.equal(told("microphone").at(-1).code, "good");
  assert.equal(gateway.asked("POST", "/v1/sessions").length, 0);
  await call.setCamera(false);
  call.start();
  await answered(clock);
  assert.equal(devices.asked.length, 1);
  assert.equal(shown.state.phase, "connecting");
  assert.equal(shown.state.cameraOn, false);
});

test("a look works without the gateway too, and shows no camera where the token allows no pictures", async () => {
  const unreachable = made();
  unreachable.gateway.answers["GET /v1/client-config"] = () => Promise.reject(new TypeError("fetch failed"));
  await unreachable.call.look();
  assert.equal(unreachable.shown.state.cameraOn, true);
  const voiceAlone = made();
  const video = { allowed: false, fps_max: 1, size_px: 512 };
  voiceAlone.gateway.answers["GET /v1/client-config"] = () => json({ upstream: "gemini", video });
  await voiceAlone.call.look();
  assert.equal(voiceAlone.shown.camera, undefined);
  assert.deepEqual(voiceAlone.shown.inventory.cameras, []);
  assert.equal(voiceAlone.shown.state.hasVideo, false);
});

test("a look that is refused says what to do, and nothing is left of it", async () => {
  const parts = made();
  parts.devices.failures.audio = "NotAllowedError";
  await parts.call.look();
  assert.match(parts.shown.lines.at(-1), /^Ready: This page may not use the microphone/);
  assert.match(parts.shown.state.next, /allow it/);
  parts.call.end();
  await settled();
  assertNothingIsLeft(parts);
});

test("choices made before are used", async () => {
  const { audio, call, clock, devices, RTCPeerConnection, shown } = made();
  call.prefer({ microphoneId: "audioinput-1", facing: "environment", camera: false, speakerId: "s", muted: true });
  call.start();
  await answered(clock);
  RTCPeerConnection.newest.ontrack({ track: { kind: "audio" } });
  await settled();
  assert.deepEqual(devices.asked[0].audio.deviceId, { exact: "audioinput-1" });
  assert.equal(devices.asked[0].video, undefined);
  assert.equal(devices.tracks[0].enabled, false);
  assert.equal(shown.state.muted, true);
  assert.equal(audio.sinkId, "s");
  await call.setCamera(true);
  assert.equal(devices.asked[1].video.facingMode, "environment");
});

test("half-duplex holds the microphone while the model is heard, and lets go after the echo", async () => {
  let voice = 0;
  const { call, clock, devices, RTCPeerConnection, shown } = await live({
    sample: (kind) => (kind === "voice" ? voice : 0.1),
  });
  RTCPeerConnection.newest.ontrack({ track: { kind: "voice" } });
  voice = 0.2;
  await clock.advance(500);
  assert.equal(devices.tracks[0].enabled, true, "it is off");
  call.setHalfDuplex(true);
  await clock.advance(100);
  assert.equal(devices.tracks[0].enabled, false);
  assert.equal(shown.state.held, true);
  voice = 0;
  await clock.advance(300);
  assert.equal(devices.tracks[0].enabled, false);
  await clock.advance(200);
  assert.equal(devices.tracks[0].enabled, true);
  voice = 0.2;
  await clock.advance(100);
  call.setHalfDuplex(false);
  assert.equal(devices.tracks[0].enabled, true);
});

test("once a second there are numbers and a verdict, while the call is live", async () => {
  const { clock, RTCPeerConnection, told } = await live();
  RTCPeerConnection.newest.stats = [{ id: "a", type: "remote-inbound-rtp", kind: "audio", fractionLost: 0.3 }];
  await clock.advance(3_100);
  assert.deepEqual(told("quality").map(({ code }) => code), ["poor", "poor"]);
  assert.equal(told("quality")[0].facts.lossUp, 0.3);
  RTCPeerConnection.newest.become("failed");
  await clock.advance(3_000);
  assert.equal(told("quality").length, 2);
});

test("a voice that the browser holds back is told, and a tap lets it out", async () => {
  const { audio, call, RTCPeerConnection, told } = await live();
  audio.refuses = "NotAllowedError";
  RTCPeerConnection.newest.ontrack({ track: { kind: "audio" } });
  await settled();
  audio.refuses = undefined;
  call.hear();
  await settled();
  assert.deepEqual(told("blocked").map(({ blocked }) => blocked), [true, false]);
});

test("who speaks is told as it changes", async () => {
  const { says, told } = await live();
  for (const type of ["user-started-speaking", "user-stopped-speaking", "bot-started-speaking"]) says(type, {});
  assert.deepEqual(told("turn").map(({ turn }) => turn), ["hearing", "thinking", "speaking"]);
});

test("offline is said, and a connection that is dead then is lost at once, not when the browser notices", async () => {
  const { browser, clock, gateway, shown } = await live();
  browser.window.dispatchEvent(new Event("offline"));
  assert.match(shown.lines.at(-1), /^Live: this device is offline/);
  await clock.advance(2_500);
  assert.equal(shown.state.phase, "reconnecting");
  const attempts = gateway.asked("PATCH", LOCATION).length;
  browser.window.dispatchEvent(new Event("online"));
  await clock.advance(500);
  await answered(clock);
  assert.ok(gateway.asked("PATCH", LOCATION).length + gateway.asked("POST", `${LOCATION}/peer`).length > attempts);
  assert.doesNotMatch(shown.lines.at(-1), /offline/);
});

test("another network is looked for a way in at once", async () => {
  const { browser, clock, gateway } = await live();
  browser.navigator.connection.type = "cellular";
  browser.navigator.connection.dispatchEvent(new Event("change"));
  await answered(clock);
  assert.equal(gateway.asked("PATCH", LOCATION).length, 1);
});

test("a page that is shown again plays, and looks whether its connection is still alive", async () => {
  const { audio, browser, clock, RTCPeerConnection, shown } = await live();
  RTCPeerConnection.newest.ontrack({ track: { kind: "audio" } });
  const plays = audio.plays;
  browser.document.dispatchEvent(new Event("visibilitychange"));
  await clock.advance(2_500);
  assert.equal(audio.plays, plays + 1);
  assert.equal(shown.state.phase, "reconnecting");
});

test("leaving the page keeps the session, and its ticket brings the person back", async () => {
  const parts = await live();
  parts.says("user-transcription", { text: "Hello", final: true }, 7);
  parts.call.setMuted(true);
  const { ticket } = parts.call;
  assert.deepEqual(ticket, { location: LOCATION, seq: 7, muted: true, cameraOn: true });
  parts.call.leave();
  assert.equal(parts.gateway.asked("DELETE", LOCATION).length, 0);
  assert.equal(parts.call.ticket, undefined);
  assertNothingIsLeft(parts);

  const back = made();
  back.call.prefer({ muted: ticket.muted });
  back.call.resume(ticket);
  await answered(back.clock);
  assert.equal(back.gateway.asked("POST", "/v1/sessions").length, 0);
  assert.equal(back.gateway.asked("POST", `${LOCATION}/peer`).length, 1);
  assert.equal(back.WebSocket.newest.url, `wss://gateway.test${LOCATION}/events`);
  back.says("user-transcription", { text: "Hello", final: true }, 7);
  back.says("server-message", { type: "state", state: "ended", reason: "An older one." }, 6);
  back.says("server-message", { type: "notice", text: "Old.", level: "info" }, 5);
  back.RTCPeerConnection.newest.become("connected");
  await answered(back.clock);
  assert.deepEqual(back.shown.captions.map(({ text }) => text), ["Hello"]);
  assert.deepEqual(back.shown.notices, [], "what was said before is not said again");
  assert.equal(back.shown.state.phase, "live");
  assert.equal(back.devices.tracks[0].enabled, false);
});

test("a session that is gone when the page comes back is said in words", async () => {
  const parts = made();
  parts.gateway.answers[`POST ${LOCATION}/peer`] = () => problem(404, "There is no such session.");
  parts.call.resume({ location: LOCATION, seq: 0, muted: false, cameraOn: true });
  await answered(parts.clock);
  assert.match(parts.shown.lines.at(-1), /^Ended: There is no such session/);
  assertNothingIsLeft(parts);
});

test("a call that was given to another tab says so", async () => {
  const parts = await live();
  parts.call.leave({ moved: true });
  assert.equal(parts.shown.lines.at(-1), "Ended: The call goes on in another tab.");
  assert.equal(parts.shown.state.code, "moved");
  assertNothingIsLeft(parts);
});

test("what is typed goes to the gateway, also when the socket is not there yet", async () => {
  const { call, WebSocket } = await live();
  call.sendText("port 14?");
  assert.deepEqual(WebSocket.newest.sent, []);
  WebSocket.newest.accept();
  const sent = WebSocket.newest.sent.at(-1);
  assert.deepEqual([sent.label, sent.type, sent.data], ["rtvi-ai", "send-text", { content: "port 14?" }]);
});

test("a token goes to the event socket as a subprotocol", async () => {
  const { WebSocket } = await live({ token: "abc" });
  assert.deepEqual(WebSocket.newest.protocols, ["gateway.v1", "token.abc"]);
});

test("a browser that cannot make calls is told so", async () => {
  const parts = made();
  const call = new Call({ ...parts, browser: parts.browser, RTCPeerConnection: undefined, client: { clientConfig: async () => ({}), iceServers: async () => [] }, wakeLock: { release: () => {} } });
  await call.start();
  assert.match(words(call.state), /cannot make calls/);
  assert.match(call.state.next, /current Chrome/);
});

test("the model can call a function of the page, and gets its result", async () => {
  const { clock, says, shown, WebSocket } = await live();
  WebSocket.newest.accept();
  const called = (id, name, args) =>
    says("llm-function-call", { function_name: name, tool_call_id: id, args });
  called("f1", "show_note", { text: "port 14" });
  called("f2", "show_note", { text: 14 });
  called("f3", "toString", {});
  await answered(clock);
  assert.equal(shown.note, "port 14");
  const [first, second, third] = ["f1", "f2", "f3"].map((id) => WebSocket.newest.sent.find((sent) => sent.id === id));
  assert.deepEqual(first, {
    label: "rtvi-ai",
    type: "llm-function-call-result",
    id: "f1",
    data: { function_name: "show_note", tool_call_id: "f1", arguments: { text: "port 14" }, result: { output: "shown" } },
  });
  assert.deepEqual(second.data.result, { error: "show_note failed: a text, please" });
  assert.deepEqual(third.data.result, { error: "This page has no function toString." });
});

// Where WebRTC gets nowhere

const canStream = { loadStream: async () => ({ Stream }) };
const socketsTo = ({ WebSocket }, path) => WebSocket.opened.filter(({ url }) => new URL(url).pathname.endsWith(path));

/** The newest socket of a stream does not get through, or was cut. */
function cut(parts) {
  const socket = socketsTo(parts, "/stream").at(-1);
  socket.isClosed = true;
  socket.onclose?.({ code: 1006 });
}

/** A stream's socket is taken by the gateway. */
async function streams(parts, heard = null) {
  const socket = socketsTo(parts, "/stream").at(-1);
  socket.readyState = 1;
  socket.bufferedAmount = 0;
  socket.say({ type: "open", session: "s1", stream: "k1", heard });
  await answered(parts.clock);
}

/** A call whose connection was never made. */
async function streaming() {
  const parts = made(canStream);
  parts.call.start();
  await answered(parts.clock);
  socketsTo(parts, "/events")[0].onopen();
  await parts.clock.advance(5_000);
  await answered(parts.clock);
  await streams(parts);
  socketsTo(parts, "/events")[0].say({ type: "server-message", data: { type: "state", state: "live", reason: "" } });
  assert.equal(parts.shown.state.phase, "live");
  return parts;
}

test("where nothing answers to WebRTC for five seconds the call goes over a WebSocket, and says so", async () => {
  const parts = made(canStream);
  parts.call.start();
  await answered(parts.clock);
  await parts.clock.advance(4_900);
  assert.equal(socketsTo(parts, "/stream").length, 0);
  await parts.clock.advance(200);
  await answered(parts.clock);
  assert.equal(socketsTo(parts, "/stream")[0].url, `wss://gateway.test${LOCATION}/stream`);
  await streams(parts);
  assert.equal(parts.RTCPeerConnection.newest.signalingState, "closed");
  assert.match(parts.shown.notices.at(-1), /Only web traffic gets through from here/);
  assert.ok(parts.audio.srcObject);
  parts.call.end();
  await answered(parts.clock);
  assertNothingIsLeft(parts);
});

test("a connection that fails sooner is not waited for, and one that was there is looked for first", async () => {
  const failed = made(canStream);
  failed.call.start();
  await answered(failed.clock);
  failed.RTCPeerConnection.newest.become("failed");
  await answered(failed.clock);
  assert.equal(socketsTo(failed, "/stream").length, 1);

  const was = await live(canStream);
  was.RTCPeerConnection.newest.become("failed");
  await answered(was.clock);
  assert.equal(was.RTCPeerConnection.newest.restarts, 1);
  await was.clock.advance(4_000);
  await answered(was.clock);
  assert.equal(was.RTCPeerConnection.made.length, 2); // a new peer
  assert.equal(socketsTo(was, "/stream").length, 0);
  await was.clock.advance(5_000);
  await answered(was.clock);
  assert.equal(socketsTo(was, "/stream").length, 1);
});

test("no stream is tried for what the gateway has refused, nor where the browser has none", async () => {
  const refused = made(canStream);
  refused.gateway.answers["POST /v1/sessions"] = () => problem(503, "All places are taken.");
  refused.call.start();
  await answered(refused.clock);
  assert.equal(refused.shown.state.phase, "ended");
  assert.equal(socketsTo(refused, "/stream").length, 0);

  const old = made();
  old.call.start();
  await answered(old.clock);
  await old.clock.advance(5_000);
  await answered(old.clock);
  assert.equal(old.RTCPeerConnection.newest.signalingState, "stable"); // it may still get there
});

test("five seconds without a network: the same stream goes on, with what was said meanwhile", async () => {
  const parts = await streaming();
  const peers = parts.RTCPeerConnection.made.length;
  parts.gateway.answers[`GET ${LOCATION}/events`] = () => Promise.reject(new TypeError("no network"));
  cut(parts);
  for (let halfSecond = 0; halfSecond < 10; halfSecond += 1) {
    cut(parts);
    await parts.clock.advance(500);
    await answered(parts.clock);
  }
  assert.equal(parts.shown.state.phase, "reconnecting");
  assert.equal(parts.RTCPeerConnection.made.length, peers);
  parts.gateway.answers[`GET ${LOCATION}/events`] = () => new Response(null, { status: 400 });
  while (socketsTo(parts, "/stream").at(-1).isClosed) {
    await parts.clock.advance(250);
    await answered(parts.clock);
  }
  assert.equal(new URL(socketsTo(parts, "/stream").at(-1).url).search, "?stream=k1");
  await streams(parts, 3);
  assert.equal(parts.shown.state.phase, "live");
});

test("a stream whose session is gone ends the call; one that no socket is given makes place for a new peer", async () => {
  const gone = await streaming();
  gone.gateway.answers[`GET ${LOCATION}/events`] = () => problem(404, "There is no such session.");
  cut(gone);
  await answered(gone.clock);
  cut(gone);
  await answered(gone.clock);
  assert.equal(gone.shown.state.phase, "ended");

  const shut = await streaming();
  shut.gateway.answers[`GET ${LOCATION}/events`] = () => new Response(null, { status: 400 });
  const peers = shut.RTCPeerConnection.made.length;
  cut(shut);
  for (let tries = 0; tries < 2; tries += 1) {
    await answered(shut.clock);
    cut(shut);
  }
  await answered(shut.clock);
  assert.equal(shut.RTCPeerConnection.made.length, peers + 1);
});
