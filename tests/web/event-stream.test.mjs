import assert from "node:assert/strict";
import { test } from "node:test";

import { EventStream } from "../../web/js/event-stream.js";
import { fakeWebSocket, FakeClock, settled } from "./fakes.mjs";

const URL = "ws://gateway.test/v1/sessions/s1/events";

function opened() {
  const clock = new FakeClock();
  const WebSocket = fakeWebSocket();
  const session = { exists: true };
  const heard = [];
  const stream = new EventStream({
    url: URL,
    protocols: ["gateway.v1"],
    WebSocket,
    clock,
    exists: async () => session.exists,
    onMessage: (message) => heard.push(message.seq ?? message.type),
    onOver: () => heard.push("over"),
  });
  return { clock, WebSocket, session, heard, stream };
}

test("after a cut it asks for what it missed and hands each message on once", async () => {
  const { clock, WebSocket, heard } = opened();
  assert.equal(WebSocket.newest.url, URL);
  assert.deepEqual(WebSocket.newest.protocols, ["gateway.v1"]);
  WebSocket.newest.onopen();
  WebSocket.newest.say({ type: "a", seq: 1 });
  WebSocket.newest.say({ type: "b", seq: 2 });
  WebSocket.newest.onclose({ code: 1006 });
  await clock.advance(499);
  assert.equal(WebSocket.opened.length, 1);
  await clock.advance(1);
  assert.equal(WebSocket.newest.url, `${URL}?after=2`);
  WebSocket.newest.say({ type: "b", seq: 2 });
  WebSocket.newest.say({ type: "c", seq: 3 });
  assert.deepEqual(heard, [1, 2, 3]);
});

test("what was seen before the page was loaded again is told once more, as past", async () => {
  const WebSocket = fakeWebSocket();
  const heard = [];
  const stream = new EventStream({
    url: URL,
    protocols: ["gateway.v1", "token.abc"],
    seenSeq: 2,
    WebSocket,
    clock: new FakeClock(),
    exists: async () => true,
    onMessage: ({ type }, isPast) => heard.push([type, isPast]),
    onOver: () => {},
  });
  assert.equal(WebSocket.newest.url, URL, "all that the gateway still has is asked for");
  assert.deepEqual(WebSocket.newest.protocols, ["gateway.v1", "token.abc"]);
  for (const [type, seq] of [["a", 1], ["b", 2], ["c", 3], ["answer", undefined]]) WebSocket.newest.say({ type, seq });
  assert.deepEqual(heard, [["a", true], ["b", true], ["c", false], ["answer", false]]);
  assert.equal(stream.seq, 3);
});

test("an answer without a number is handed on and does not move the place", async () => {
  const { clock, WebSocket, heard } = opened();
  WebSocket.newest.say({ type: "a", seq: 4 });
  WebSocket.newest.say({ type: "error-response" });
  WebSocket.newest.onclose({ code: 1006 });
  await clock.advance(500);
  assert.deepEqual(heard, [4, "error-response"]);
  assert.equal(WebSocket.newest.url, `${URL}?after=4`);
});

test("a session that moved to another machine is followed at once, but not round in circles", async () => {
  const { clock, WebSocket, heard } = opened();
  WebSocket.newest.onopen();
  WebSocket.newest.say({ type: "a", seq: 1 });
  WebSocket.newest.onclose({ code: 1012 });
  assert.equal(WebSocket.opened.length, 2);
  assert.equal(WebSocket.newest.url, `${URL}?after=1`);
  WebSocket.newest.onopen();
  WebSocket.newest.onclose({ code: 1012 });
  assert.equal(WebSocket.opened.length, 2);
  await clock.advance(500);
  assert.equal(WebSocket.opened.length, 3);
  WebSocket.newest.say({ type: "b", seq: 2 });
  assert.deepEqual(heard, [1, 2]);
});

test("the waits grow with each refusal and start again after a success", async (t) => {
  t.mock.method(Math, "random", () => 0);
  const { clock, WebSocket } = opened();
  const openedAtMs = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    WebSocket.newest.onclose({ code: 1006 });
    const before = WebSocket.opened.length;
    while (WebSocket.opened.length === before) await clock.advance(100);
    openedAtMs.push(clock.now);
  }
  assert.deepEqual(openedAtMs, [500, 1500, 3500]);
  WebSocket.newest.onopen();
  WebSocket.newest.onclose({ code: 1001 });
  await clock.advance(500);
  assert.equal(WebSocket.opened.length, 5);
});

test("a regular close of a session that is gone is its end", async () => {
  const { clock, session, WebSocket, heard } = opened();
  session.exists = false;
  WebSocket.newest.onopen();
  WebSocket.newest.onclose({ code: 1000 });
  await clock.advance(60_000);
  assert.deepEqual(heard, ["over"]);
  assert.equal(WebSocket.opened.length, 1);
});

test("a regular close of a session that is still there is a cut", async () => {
  const { clock, WebSocket, heard } = opened();
  WebSocket.newest.onopen();
  WebSocket.newest.onclose({ code: 1000 });
  await clock.advance(500);
  assert.deepEqual(heard, []);
  assert.equal(WebSocket.opened.length, 2);
});

test("a refused socket of a session that is gone is the end", async () => {
  const { session, WebSocket, heard } = opened();
  session.exists = false;
  WebSocket.newest.onclose({ code: 1006 });
  await settled();
  assert.deepEqual(heard, ["over"]);
});

test("when the network is back it does not wait", async () => {
  const { clock, WebSocket, stream } = opened();
  stream.hurry();
  assert.equal(WebSocket.opened.length, 1, "an open socket is left alone");
  WebSocket.newest.onclose({ code: 1006 });
  await settled();
  stream.hurry();
  assert.equal(WebSocket.opened.length, 2);
  await clock.advance(60_000);
  assert.equal(WebSocket.opened.length, 2);
});

test("after close nothing is called and nothing is opened", async () => {
  const { clock, WebSocket, heard, stream } = opened();
  WebSocket.newest.onclose({ code: 1006 });
  stream.close();
  WebSocket.newest.say({ type: "late", seq: 9 });
  await clock.advance(60_000);
  assert.deepEqual(heard, []);
  assert.equal(WebSocket.opened.length, 1);
  assert.equal(WebSocket.newest.isClosed, true);
});

test("what is said while there is no socket goes out with the next one", async () => {
  const { clock, WebSocket, stream } = opened();
  stream.send({ type: "early" });
  WebSocket.newest.accept();
  stream.send({ type: "now" });
  assert.deepEqual(WebSocket.newest.sent, [{ type: "early" }, { type: "now" }]);
  WebSocket.newest.readyState = 3;
  WebSocket.newest.onclose({ code: 1006 });
  stream.send({ type: "late" });
  await clock.advance(500);
  WebSocket.newest.accept();
  assert.deepEqual(WebSocket.newest.sent, [{ type: "late" }]);
});
