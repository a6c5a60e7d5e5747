import assert from "node:assert/strict";
import { test } from "node:test";

import { GatewayClient } from "../../web/js/gateway-client.js";
import { ANSWER, FakeGateway, problem, RESTARTED } from "./fakes.mjs";

const LOCATION = "/v1/sessions/s1";

function joined() {
  const gateway = new FakeGateway();
  return { gateway, client: new GatewayClient({ fetch: gateway.fetch }) };
}

test("each resource is asked for as the protocol has it", async () => {
  const { gateway, client } = joined();
  assert.equal((await client.clientConfig()).video.size_px, 512);
  assert.deepEqual(await client.iceServers(), [{ urls: "stun:stun.test" }]);
  assert.deepEqual(await client.create("offer"), { location: LOCATION, answer: ANSWER });
  assert.equal(await client.newPeer(LOCATION, "offer", new AbortController().signal), ANSWER);
  const restarted = await client.restartIce(LOCATION, "a=ice-ufrag:u0r", new AbortController().signal);
  assert.equal(restarted, RESTARTED);
  await client.addCandidates(LOCATION, "fragment");
  assert.equal(await (await client.frame(LOCATION)).text(), "jpeg");
  await client.end(LOCATION);

  const [create] = gateway.asked("POST", "/v1/sessions");
  assert.equal(create.headers["Content-Type"], "application/sdp");
  assert.equal(create.body, "offer");
  const [, patch] = gateway.asked("PATCH", LOCATION);
  assert.equal(patch.headers["Content-Type"], "application/trickle-ice-sdpfrag");
  assert.equal(patch.body, "fragment");
  assert.equal(gateway.asked("DELETE", LOCATION)[0].keepalive, true);
});

test("a problem is thrown with its sentence and its status", async () => {
  const { gateway, client } = joined();
  gateway.answers["POST /v1/sessions"] = () => problem(503, "All places are taken.");
  await assert.rejects(client.create("offer"), { message: "All places are taken.", status: 503, isGone: false });
});

test("an answer that is no problem document still becomes a sentence", async () => {
  const { gateway, client } = joined();
  gateway.answers["POST /v1/sessions"] = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await assert.rejects(client.create("offer"), { message: "The gateway answered with status 502." });
});

test("a gateway that cannot be reached, or breaks off, is said in words", async () => {
  const { gateway, client } = joined();
  gateway.answers["GET /v1/client-config"] = () => Promise.reject(new TypeError("fetch failed"));
  gateway.answers["GET /v1/ice-servers"] = () => new Response("{");
  await assert.rejects(client.clientConfig(), { message: "The gateway cannot be reached.", status: 0, isUnreachable: true });
  await assert.rejects(client.iceServers(), { message: "The gateway cannot be reached.", status: 0 });
});

test("only a 404 means that a session is gone", async () => {
  const { gateway, client } = joined();
  assert.equal(await client.exists(LOCATION), false);
  gateway.answers[`GET ${LOCATION}/events`] = () => problem(400, "This is a WebSocket.");
  assert.equal(await client.exists(LOCATION), true);
  gateway.answers[`GET ${LOCATION}/events`] = () => Promise.reject(new TypeError("fetch failed"));
  assert.equal(await client.exists(LOCATION), true);
});

test("a token goes with every request in its header, and with a socket beside what it speaks", async () => {
  const gateway = new FakeGateway();
  const client = new GatewayClient({ fetch: gateway.fetch, token: "a.b.c" });
  await client.clientConfig();
  await client.create("offer");
  await client.end(LOCATION);
  for (const { path, headers } of gateway.requests) {
    assert.equal(headers.Authorization, "Bearer a.b.c");
    assert.ok(!path.includes("a.b.c"));
  }
  assert.equal(gateway.requests.length, 3);
  assert.deepEqual(client.subprotocols, ["gateway.v1", "token.a.b.c"]);
  assert.deepEqual(joined().client.subprotocols, ["gateway.v1"]);
});

test("what is wrong with an invitation is told to whoever was sent it", async () => {
  for (const [code, words] of [
    ["token_missing", /open the link you were given/],
    ["token_invalid", /open the whole link/],
    ["token_expired", /has expired: ask for a new link/],
    ["token_used", /has been used: ask for a new link/],
    ["wrong_origin", /for another site/],
    ["wrong_profile", /another assistant/],
    ["another", /for whoever makes tokens/],
  ]) {
    const { gateway, client } = joined();
    gateway.answers["GET /v1/client-config"] = () => problem(401, "A sentence for whoever makes tokens.", code);
    await assert.rejects(client.clientConfig(), ({ message, code: told }) => words.test(message) && told === code);
  }
});
