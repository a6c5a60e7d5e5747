import assert from "node:assert/strict";
import { test } from "node:test";

import { subprotocols, takeToken } from "../../web/js/token.js";

/** A tab at this address; `blocked` is a browser that keeps nothing. */
function tab(hash, { items = new Map(), blocked = false } = {}) {
  const shown = [];
  return {
    shown,
    items,
    location: { hash, pathname: "/", search: "?run=all" },
    history: { state: null, replaceState: (_state, _title, url) => shown.push(url) },
    get sessionStorage() {
      if (blocked) throw new Error("blocked");
      return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => items.set(key, value) };
    },
  };
}

test("a token is taken out of the address and the rest of it stays", () => {
  const window = tab("#token=a.b.c");
  assert.equal(takeToken(window), "a.b.c");
  assert.deepEqual(window.shown, ["/?run=all"]);
  const other = tab("#room=1&token=a.b.c");
  assert.equal(takeToken(other), "a.b.c");
  assert.deepEqual(other.shown, ["/?run=all#room=1"]);
});

test("a reload has it, a newer link replaces it, another tab has none", () => {
  const { items } = tab("");
  assert.equal(takeToken(tab("#token=first", { items })), "first");
  assert.equal(takeToken(tab("", { items })), "first");
  assert.equal(takeToken(tab("#token=second", { items })), "second");
  assert.equal(takeToken(tab("", { items })), "second");
  assert.equal(takeToken(tab("")), undefined);
});

test("a browser that keeps nothing has it until the reload", () => {
  const window = tab("#token=a.b.c", { blocked: true });
  assert.equal(takeToken(window), "a.b.c");
  assert.deepEqual(window.shown, ["/?run=all"]);
  assert.equal(takeToken(tab("", { blocked: true })), undefined);
});

test("an address without a token is left alone", () => {
  const window = tab("#somewhere");
  assert.equal(takeToken(window), undefined);
  assert.deepEqual(window.shown, []);
});

test("a socket names what it speaks, and its token beside it", () => {
  assert.deepEqual(subprotocols("a.b.c"), ["gateway.v1", "token.a.b.c"]);
  assert.deepEqual(subprotocols(undefined), ["gateway.v1"]);
});
