import assert from "node:assert/strict";
import { test } from "node:test";

import { Trickle } from "../../web/js/trickle.js";
import { deferred, settled } from "./fakes.mjs";

const OFFER = "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=mid:0\r\n";
const found = (name) => ({ candidate: `candidate:${name}` });

function recorded() {
  const sent = [];
  const send = (body) => {
    const request = deferred();
    sent.push({ body, ...request });
    return request.promise;
  };
  return { sent, trickle: new Trickle(send) };
}

const named = (body) => [...body.matchAll(/a=candidate:(\w+)/g)].map(([, name]) => name);

test("candidates wait for the location, go out in one request at a time, and gather while it runs", async () => {
  const { sent, trickle } = recorded();
  trickle.found(found("a"));
  trickle.found(found("b"));
  await settled();
  assert.equal(sent.length, 0);

  trickle.begin(OFFER);
  trickle.found(found("c"));
  trickle.found(found("d"));
  trickle.found(null);
  await settled();
  assert.deepEqual(sent.map(({ body }) => named(body)), [["a", "b"]]);

  sent[0].resolve();
  await settled();
  assert.deepEqual(named(sent[1].body), ["c", "d"]);
  assert.match(sent[1].body, /a=end-of-candidates\r\n$/);

  sent[1].resolve();
  await settled();
  assert.equal(sent.length, 2);
});

test("a request that failed does not hold up the next", async () => {
  const { sent, trickle } = recorded();
  trickle.begin(OFFER);
  trickle.found(found("a"));
  sent[0].reject(new Error("cut"));
  await settled();
  trickle.found(found("b"));
  assert.deepEqual(named(sent[1].body), ["b"]);
});

test("the end of one generation is not a candidate", async () => {
  const { sent, trickle } = recorded();
  trickle.begin(OFFER);
  trickle.found({ candidate: "" });
  await settled();
  assert.equal(sent.length, 0);
});

test("nothing is sent for a peer that is not wanted any more", async () => {
  const { sent, trickle } = recorded();
  trickle.stop();
  trickle.begin(OFFER);
  trickle.found(found("a"));
  await settled();
  assert.equal(sent.length, 0);
});
