import assert from "node:assert/strict";
import { test } from "node:test";

import { NewestFrame } from "../../web/js/newest-frame.js";
import { deferred, settled } from "./fakes.mjs";

function recorded() {
  const requests = [];
  const shown = [];
  const frames = new NewestFrame({
    get: () => {
      requests.push(deferred());
      return requests.at(-1).promise;
    },
    show: (picture, { id }) => shown.push([picture, id]),
  });
  return { frames, requests, shown };
}

test("one request at a time, and of those announced meanwhile only the newest", async () => {
  const { frames, requests, shown } = recorded();
  for (const id of [1, 2, 3]) frames.announce({ id });
  assert.equal(requests.length, 1);
  requests[0].resolve("first");
  await settled();
  requests[1].resolve("third");
  await settled();
  assert.deepEqual(shown, [["first", 1], ["third", 3]]);
  assert.equal(requests.length, 2);
});

test("a picture that cannot be fetched is left out", async () => {
  const { frames, requests, shown } = recorded();
  frames.announce({ id: 1 });
  requests[0].reject(new Error("gone"));
  await settled();
  frames.announce({ id: 2 });
  requests[1].resolve("second");
  await settled();
  assert.deepEqual(shown, [["second", 2]]);
});
