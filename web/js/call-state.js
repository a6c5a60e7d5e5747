// Owns where a call is, which buttons that enables, and the words of the state line. It must not know peers, sockets,
// devices, clocks or the page: `call.js` reports what happened and `page.js` shows what comes out.
// Invariant: a call is live only while its own peer is connected and the gateway has not said otherwise; a call that
// has ended stays ended, with the reason that came first.
//
//     idle ──start──▶ asking-permission ──devices──▶ connecting ──joined──▶ live ◀──joined── reconnecting
//                            │                           │  └────parted────────┼──parted──────▲   │
//                            └────────────end────────────┴─────────end─────────┴────────end───────┘──▶ ended

/**
 * @typedef {"idle"|"asking-permission"|"connecting"|"live"|"reconnecting"|"ended"} Phase
 * @typedef {object} CallState
 * @property {Phase} phase
 * @property {string} reason in words; empty where the phase says it all
 * @property {boolean} peerConnected
 * @property {"unknown"|"connecting"|"live"|"reconnecting"} gateway what the gateway said last
 * @property {boolean} muted
 * @property {boolean} hasVideo the call was set up with a camera
 * @property {boolean} cameraOn
 * @property {number} cameraCount
 */

const TABLE = {
  idle: { start: "asking-permission" },
  "asking-permission": { devices: "connecting", end: "ended" },
  connecting: { joined: "live", parted: "reconnecting", end: "ended" },
  live: { parted: "reconnecting", end: "ended" },
  reconnecting: { joined: "live", end: "ended" },
  ended: {},
};

const LEAD = {
  idle: "Ready. Press Start to talk.",
  "asking-permission": "Waiting for your permission to use the microphone and the camera.",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  ended: "Ended",
};

/** @type {CallState} */
export const IDLE = Object.freeze({
  phase: "idle",
  reason: "",
  peerConnected: false,
  gateway: "unknown",
  muted: false,
  hasVideo: false,
  cameraOn: false,
  cameraCount: 0,
});

/**
 * The state after something happened. What the table has no row for leaves the phase as it is: a leg that is being
 * closed still reports.
 * @param {CallState} state
 * @param {{type: string}} event `start`, `devices {hasVideo, cameraCount}`, `peer {connected, reason}`,
 *   `gateway {state, reason}`, `muted {muted}`, `camera {on}` or `end {reason}`
 * @returns {CallState}
 */
export function after(state, event) {
  switch (event.type) {
    case "start":
      return step(state, "start");
    case "devices": {
      const { hasVideo, cameraCount } = event;
      return step({ ...state, hasVideo, cameraOn: hasVideo, cameraCount }, "devices");
    }
    case "peer": {
      const known = { ...state, peerConnected: event.connected };
      return event.connected ? joinedIfBothAre(known) : step(known, "parted", event.reason);
    }
    case "gateway":
      return afterGateway(state, event);
    case "muted":
      return { ...state, muted: event.muted };
    case "camera":
      return { ...state, cameraOn: event.on };
    case "end":
      return step(state, "end", event.reason);
    default:
      throw new Error(`unknown event ${event.type}`);
  }
}

function afterGateway(state, { state: said, reason }) {
  if (said === "ended") return step(state, "end", reason);
  const known = { ...state, gateway: said };
  if (said === "live") return joinedIfBothAre(known);
  return said === "reconnecting" ? step(known, "parted", reason) : known;
}

function joinedIfBothAre(state) {
  // Without events (a proxy may refuse WebSockets) the peer alone decides: the conversation works all the same.
  const gatewayAgrees = state.gateway === "live" || state.gateway === "unknown";
  return state.peerConnected && gatewayAgrees ? step(state, "joined") : state;
}

function step(state, signal, reason = "") {
  const phase = TABLE[state.phase][signal];
  return phase === undefined ? state : { ...state, phase, reason };
}

/**
 * Which buttons can be pressed.
 * @param {CallState} state
 * @returns {{start: boolean, mute: boolean, camera: boolean, flip: boolean, end: boolean}}
 */
export function buttons({ phase, hasVideo, cameraOn, cameraCount }) {
  const over = phase === "idle" || phase === "ended";
  const inCall = !over && phase !== "asking-permission";
  return {
    start: over,
    mute: inCall,
    camera: inCall && hasVideo,
    flip: inCall && cameraOn && cameraCount > 1,
    end: !over,
  };
}

/**
 * The state line.
 * @param {CallState} state
 * @returns {string}
 */
export function words({ phase, reason }) {
  return reason ? `${LEAD[phase]}: ${reason}` : LEAD[phase];
}
