import assert from "node:assert/strict";
import { test } from "node:test";

import { GatewayClient } from "../../web/js/http.js";
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

test("a refusal carries its code, and when another try makes sense: seconds or a date", async () => {
  const { gateway, client } = joined();
  const refused = (after) => problem(429, "Slower.", { code: "rate_limited", retryAfter: after });
  gateway.answers["POST /v1/sessions"] = () => refused("12");
  await assert.rejects(client.create("offer"), { code: "rate_limited", retryAfterS: 12 });
  gateway.answers["POST /v1/sessions"] = () => refused(new Date(Date.now() + 30_000).toUTCString());
  await assert.rejects(client.create("offer"), ({ retryAfterS }) => retryAfterS > 27 && retryAfterS <= 30);
  gateway.answers["POST /v1/sessions"] = () => refused("soon");
  await assert.rejects(client.create("offer"), { retryAfterS: undefined });
});

test("a token goes into a header of every request, a base before every path", async () => {
  const gateway = new FakeGateway();
  const client = new GatewayClient({ fetch: gateway.fetch, base: "https://gateway.test", token: "abc" });
  await client.clientConfig().catch(() => {});
  await client.create("offer").catch(() => {});
  const [config, create] = gateway.requests;
  assert.equal(config.path, "https://gateway.test/v1/client-config");
  assert.deepEqual(config.headers, { Authorization: "Bearer abc" });
  assert.deepEqual(create.headers, { "Content-Type": "application/sdp", Authorization: "Bearer abc" });
});

test("only a 404 means that a session is gone", async () => {
  const { gateway, client } = joined();
  assert.equal(await client.exists(LOCATION), false);
  gateway.answers[`GET ${LOCATION}/events`] = () => problem(400, "This is a WebSocket.");
  assert.equal(await client.exists(LOCATION), true);
  gateway.answers[`GET ${LOCATION}/events`] = () => Promise.reject(new TypeError("fetch failed"));
  assert.equal(await client.exists(LOCATION), true);
});

test("what is wrong with an invitation is told to whoever was sent it", async () => {
  for (const [code, words] of [
    ["token_missing", /need an invitation/],
    ["token_invalid", /not valid here/],
    ["token_expired", /has expired/],
    ["token_used", /has been used/],
    ["wrong_origin", /for another site/],
    ["wrong_profile", /another assistant/],
    ["another", /for whoever makes tokens/],
  ]) {
    const { gateway, client } = joined();
    gateway.answers["GET /v1/client-config"] = () => problem(401, "A sentence for whoever makes tokens.", { code });
    await assert.rejects(client.clientConfig(), ({ message, code: told }) => words.test(message) && told === code);
  }
});
