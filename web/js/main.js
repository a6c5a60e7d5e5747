// Owns the wiring: it gives the browser's own facilities to the parts, and the person's taps to the call. It must not
// decide anything about a call.
// Invariant: at most one call runs on a page, and it ends with the page.

import { Call } from "./call.js";
import { IDLE } from "./call-state.js";
import { GatewayClient } from "./gateway-client.js";
import { Page } from "./page.js";
import { takeToken } from "./token.js";
import { WakeLock } from "./wake-lock.js";

const SIMULATOR = "No key is set: you are talking to the built-in simulator, which says back what it heard.";

const clock = {
  nowMs: () => performance.now(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
};
const client = new GatewayClient({
  fetch: (resource, options) => window.fetch(resource, options),
  token: takeToken(window),
});
const page = new Page(document);
let call;

function start() {
  page.clear();
  page.unlockVoice();
  call = new Call({
    client,
    clock,
    mediaDevices: navigator.mediaDevices,
    RTCPeerConnection,
    MediaStream,
    WebSocket,
    wakeLock: new WakeLock({ navigator, document }),
    pageUrl: window.location.href,
    view: page,
  });
  call.start();
}

page.onPress({
  start,
  mute: () => call.toggleMute(),
  camera: () => call.toggleCamera(),
  flip: () => call.flip(),
  end: () => call.end(),
});
page.state(IDLE);
window.addEventListener("hashchange", () => {
  if (window.location.hash.includes("token=")) window.location.reload(); // another link, opened in this very tab
});
window.addEventListener("online", () => call?.online());
window.addEventListener("pagehide", () => call?.leave());

client.clientConfig().then(
  ({ upstream }) => {
    if (upstream === "simulator") page.banner(SIMULATOR);
  },
  (problem) => page.notice(problem.message, "error"),
);
