import assert from "node:assert/strict";
import { test } from "node:test";

import { Kept } from "../../web/js/kept.js";

function storage() {
  const values = new Map();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
}

const TICKET = { location: "/v1/sessions/s1", seq: 7, muted: true, cameraOn: false };

test("a ticket is found once by the page that is loaded next, while it is fresh", () => {
  const [session, local] = [storage(), storage()];
  const kept = new Kept({ session: () => session, local: () => local });
  kept.keepCall(TICKET, 1_000);
  assert.deepEqual(kept.takeCall(2_000), TICKET);
  assert.equal(kept.takeCall(2_000), undefined);
  kept.keepCall(TICKET, 1_000);
  assert.equal(kept.takeCall(130_000), undefined);
  kept.keepCall(TICKET, 1_000);
  kept.keepCall(undefined);
  assert.equal(kept.takeCall(1_000), undefined);
});

test("choices are added to those before, and taken back by undefined", () => {
  const local = storage();
  const kept = new Kept({ session: storage, local: () => local });
  kept.choose({ facing: "environment", cameraId: "c1" });
  kept.choose({ cameraId: undefined, halfDuplex: true });
  assert.deepEqual(kept.choices, { facing: "environment", halfDuplex: true });
});

test("a browser that keeps nothing, or something broken, is no failure", () => {
  const blocked = () => {
    throw new Error("SecurityError");
  };
  const kept = new Kept({ session: blocked, local: blocked });
  kept.keepCall(TICKET, 0);
  kept.choose({ camera: false });
  assert.equal(kept.takeCall(0), undefined);
  assert.deepEqual(kept.choices, {});
  const broken = storage();
  broken.setItem("gateway.choices", "{");
  assert.deepEqual(new Kept({ session: () => broken, local: () => broken }).choices, {});
});
