import assert from "node:assert/strict";
import { test } from "node:test";

import { Tabs } from "../../web/js/tabs.js";
import { FakeClock, settled } from "./fakes.mjs";

/** Tabs that hear each other. */
function browser() {
  const clock = new FakeClock();
  const channels = [];
  const open = (ticket) => {
    const tab = { ticket, elsewhere: undefined, given: 0 };
    const channel = {
      postMessage: (message) => {
        for (const other of channels) if (other !== channel) other.onmessage({ data: structuredClone(message) });
      },
    };
    channels.push(channel);
    tab.tabs = new Tabs({
      channel,
      clock,
      ticket: () => tab.ticket,
      onGiven: () => {
        tab.given += 1;
        tab.ticket = undefined;
      },
      onElsewhere: (elsewhere) => (tab.elsewhere = elsewhere),
    });
    return tab;
  };
  return { clock, open };
}

const TICKET = { location: "/v1/sessions/s1", seq: 3, muted: false, cameraOn: true };

test("a tab that is opened learns of the call in another one", async () => {
  const { open } = browser();
  open(TICKET);
  const second = open(undefined);
  assert.equal(await second.tabs.look(), TICKET.location);
  assert.equal(second.elsewhere, true);
});

test("alone, it learns so after a moment", async () => {
  const { clock, open } = browser();
  const looking = open(undefined).tabs.look();
  await clock.advance(250);
  assert.equal(await looking, undefined);
});

test("a call that begins or ends is told to the others", () => {
  const { open } = browser();
  const [first, second] = [open(undefined), open(undefined)];
  first.ticket = TICKET;
  first.tabs.began();
  assert.equal(second.elsewhere, true);
  first.tabs.over();
  assert.equal(second.elsewhere, false);
});

test("the tab that asks gets the call, and no other", async () => {
  const { open } = browser();
  const [first, second, third] = [open(TICKET), open(undefined), open(undefined)];
  await Promise.all([second.tabs.look(), third.tabs.look()]);
  assert.deepEqual(await second.tabs.take(), TICKET);
  assert.deepEqual([first.given, second.given, third.given], [1, 0, 0]);
  assert.equal(second.elsewhere, false);
});

test("a tab that does not answer any more does not keep the other one waiting", async () => {
  const { clock, open } = browser();
  const [first, second] = [open(TICKET), open(undefined)];
  await second.tabs.look();
  first.ticket = undefined;
  const taking = second.tabs.take();
  await clock.advance(250);
  assert.equal(await taking, undefined);
  assert.equal(second.elsewhere, false);
});

test("a browser without channels has no other tabs", async () => {
  const clock = new FakeClock();
  const tabs = new Tabs({ channel: undefined, clock, ticket: () => undefined, onElsewhere: () => {} });
  tabs.began();
  const looking = tabs.look();
  await clock.advance(250);
  await settled();
  assert.equal(await looking, undefined);
  assert.equal(await tabs.take(), undefined);
});
