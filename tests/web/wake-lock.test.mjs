import assert from "node:assert/strict";
import { test } from "node:test";

import { WakeLock } from "../../web/js/wake-lock.js";
import { deferred } from "./fakes.mjs";

function screen() {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const locks = [];
  const request = async () => {
    const lock = { isHeld: true, release: async () => (lock.isHeld = false) };
    locks.push(lock);
    return lock;
  };
  return { document, locks, navigator: { wakeLock: { request } } };
}

test("the lock is asked for again when the page is seen again, and let go at the end", async () => {
  const { document, locks, navigator } = screen();
  const wakeLock = new WakeLock({ navigator, document });
  await wakeLock.hold();
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(locks.length, 1);
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(locks.length, 2);
  await wakeLock.release();
  assert.equal(locks[1].isHeld, false);
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(locks.length, 2);
});

test("a lock that comes after the release is let go at once", async () => {
  const { document } = screen();
  const late = deferred();
  const wakeLock = new WakeLock({ navigator: { wakeLock: { request: () => late.promise } }, document });
  const held = wakeLock.hold();
  await wakeLock.release();
  const lock = { isHeld: true, release: async () => (lock.isHeld = false) };
  late.resolve(lock);
  await held;
  assert.equal(lock.isHeld, false);
});

test("a browser without wake locks, or that refuses, is no failure", async () => {
  const { document } = screen();
  await new WakeLock({ navigator: {}, document }).hold();
  const request = () => Promise.reject(new Error("low battery"));
  await new WakeLock({ navigator: { wakeLock: { request } }, document }).hold();
});
