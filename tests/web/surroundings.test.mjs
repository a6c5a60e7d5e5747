import assert from "node:assert/strict";
import { test } from "node:test";

import { watch } from "../../web/js/surroundings.js";
import { fakeBrowser, FakeDevices } from "./fakes.mjs";

function watched() {
  const devices = new FakeDevices();
  const browser = fakeBrowser(devices);
  const told = [];
  const names = ["shown", "offline", "online", "otherNetwork", "devices"];
  const stop = watch(browser, Object.fromEntries(names.map((name) => [name, () => told.push(name)])));
  return { ...browser, devices, stop, told };
}

const happens = (target, type, more = {}) => target.dispatchEvent(Object.assign(new Event(type), more));

test("hidden is nothing, shown, thawed and back from the history are told", () => {
  const { document, told, window } = watched();
  document.visibilityState = "hidden";
  happens(document, "visibilitychange");
  happens(window, "pageshow", { persisted: false });
  assert.deepEqual(told, []);
  document.visibilityState = "visible";
  happens(document, "visibilitychange");
  happens(document, "resume");
  happens(window, "pageshow", { persisted: true });
  assert.deepEqual(told, ["shown", "shown", "shown"]);
});

test("another kind of network is told, an estimate that changed is not", () => {
  const { navigator, told } = watched();
  happens(navigator.connection, "change");
  navigator.connection.type = "cellular";
  happens(navigator.connection, "change");
  navigator.connection.type = "none";
  happens(navigator.connection, "change");
  assert.deepEqual(told, ["otherNetwork"]);
});

test("offline, online and devices are told, and nothing after the stop", () => {
  const { devices, stop, told, window } = watched();
  happens(window, "offline");
  happens(window, "online");
  happens(devices, "devicechange");
  stop();
  happens(window, "offline");
  happens(devices, "devicechange");
  assert.deepEqual(told, ["offline", "online", "devices"]);
});

test("a browser without these facilities is watched for what it has", () => {
  const browser = fakeBrowser(undefined);
  browser.navigator.connection = undefined;
  watch(browser, { shown: () => {} })();
});
