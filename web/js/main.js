// Owns the wiring of the call page: calls, the page, what is kept through a reload, and the other tabs. It must not
// decide anything about a call.
// Invariant: at most one call runs in this tab; it outlives a reload, and goes to another tab only when asked.

import { failureOf } from "./failures.js";
import { pageFunctions } from "./functions.js";
import { GatewayCall, gatewayClient } from "./gateway-client.js";
import { Kept } from "./kept.js";
import { Page } from "./page.js";
import { Tabs } from "./tabs.js";
import { keepToken, takeToken } from "./token.js";

const NO_ANSWER = { reason: "The other tab did not answer.", next: "Look there, or start a new call here." };

const clock = {
  nowMs: () => performance.now(),
  now: () => new Date(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
};
let token = takeToken(window);
const kept = new Kept({ session: () => window.sessionStorage, local: () => window.localStorage });
const page = new Page(document, clock);
const tabs = new Tabs({
  channel: window.BroadcastChannel && new BroadcastChannel("gateway.calls"),
  clock,
  ticket: () => call.ticket && { ...call.ticket, token },
  onGiven: () => call.leave({ moved: true }),
  onElsewhere: (elsewhere) => page.elsewhere(elsewhere),
});
let call;

/** Another call, when the one before is over. */
function fresh() {
  if (call && call.state.phase !== "ended") return call;
  call = new GatewayCall({ token, audio: page.audio, functions: pageFunctions(page) });
  page.follow(call, kept.choices);
  call.prefer(kept.choices);
  call.addEventListener("session", () => {
    kept.keepCall(call.ticket, Date.now());
    tabs.began();
  });
  call.addEventListener("state", (/** @type {CustomEvent} */ { detail: { state, before } }) => {
    if (state.phase !== "ended" || before.phase === "ended") return;
    kept.keepCall(undefined);
    tabs.over();
  });
  return call;
}

/** Another tab was let in and gives its call: this one is let in too. */
function useToken(given) {
  if (!given || given === token) return;
  token = given;
  keepToken(window, token);
  call.leave(); // it was made with another token, or with none
  call = undefined;
  introduce();
}

/** Go on with a call that this tab had, or that another tab gave. */
function resume(ticket) {
  fresh().prefer({ ...kept.choices, camera: ticket.cameraOn, muted: ticket.muted });
  call.resume(ticket);
}

/** Nobody is offered a new call while it is not known whether there is one to go on with. */
async function begin() {
  const ticket = kept.takeCall(Date.now());
  page.ready(!ticket);
  const elsewhere = await tabs.look();
  if (ticket && ticket.location !== elsewhere) resume(ticket); // a duplicated tab has the ticket too
  page.ready(true);
}

/** Say where voice and pictures go, or why nobody is let in. */
function introduce() {
  gatewayClient({ token }).clientConfig().then(
    (config) => page.consent(config, window.location.host),
    (problem) => page.problem(failureOf(problem)),
  );
}

page.onWish({
  start: () => fresh().start(),
  look: () => fresh().look(),
  take: async () => {
    const ticket = await tabs.take();
    if (!ticket) return page.problem(NO_ANSWER);
    useToken(ticket.token);
    resume(ticket);
  },
  choose: (changed) => kept.choose(changed),
});
fresh();
introduce();
begin();

window.addEventListener("hashchange", () => {
  if (window.location.hash.includes("token=")) window.location.reload(); // another link, opened in this very tab
});
window.addEventListener("pointerup", () => call.hear()); // after a reload there was no tap yet
window.addEventListener("pagehide", () => {
  const { ticket } = call;
  if (!ticket) return;
  call.leave();
  kept.keepCall(ticket, Date.now()); // the reload, or the way back in the history, finds it
});
window.addEventListener("pageshow", ({ persisted }) => persisted && begin());
document.addEventListener("visibilitychange", () => {
  // A phone may end a page that is hidden without another word.
  if (document.visibilityState === "hidden" && call.ticket) kept.keepCall(call.ticket, Date.now());
});

