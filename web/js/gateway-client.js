// Owns the public face of this client: what a page of an operator's own imports (docs/embed.md). It must not decide
// anything about a call: it gives the browser's own facilities to the parts.
// Invariant: nothing here needs the call page; what is exported here keeps its names.

import { Call } from "./call.js";
import { GatewayClient } from "./http.js";
import { WakeLock } from "./wake-lock.js";

export { GatewayClient, GatewayProblem } from "./http.js";
export { DeviceProblem } from "./media.js";
export { PeerProblem } from "./peer.js";
export { possible, words } from "./call-state.js";

/**
 * A call in a browser. Make a new one for each call.
 *
 *     const call = new GatewayCall({ audio: document.querySelector("audio") });
 *     call.addEventListener("state", ({ detail }) => show(words(detail.state)));
 *     button.onclick = () => call.start();
 */
export class GatewayCall extends Call {
  /**
   * @param {object} [options]
   * @param {string} [options.gateway] address of the gateway; without it, where the page came from
   * @param {string} [options.token] what lets this person in, where the gateway wants one
   * @param {HTMLAudioElement} [options.audio] plays the model's voice; without it, one that is not in the page
   * @param {import("./functions.js").Functions} [options.functions] what the model may call in this page
   */
  constructor({ gateway = "", token, audio = new Audio(), functions = {} } = {}) {
    super({
      client: gatewayClient({ gateway, token }),
      clock,
      browser: { window, document, navigator },
      RTCPeerConnection: window.RTCPeerConnection,
      MediaStream: window.MediaStream,
      WebSocket: window.WebSocket,
      AudioContext: window.AudioContext,
      AudioWorkletNode: window.AudioWorkletNode,
      loadStream: () => import("./stream/stream.js"),
      audio,
      wakeLock: new WakeLock({ navigator, document }),
      gatewayUrl: gateway || window.location.href,
      functions,
    });
  }
}

/**
 * The HTTP resources of a gateway.
 * @param {{gateway?: string, token?: string}} options as of `GatewayCall`
 * @returns {GatewayClient}
 */
export function gatewayClient({ gateway = "", token }) {
  return new GatewayClient({ fetch: (resource, options) => window.fetch(resource, options), base: gateway, token });
}

const clock = {
  nowMs: () => performance.now(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
};
