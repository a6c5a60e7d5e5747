// Owns where a call is, what can be done in it, and the words of the state line. It must not know peers, sockets,
// devices, clocks or the page: `call.js` reports what happened and the page shows what comes out.
// Invariant: a call is live only while its own peer is connected and the gateway has not said otherwise; a call that
// has ended stays ended, with the reason that came first.
//
//              ┌──look──▶               ──devices──▶            ──joined──▶      ◀──joined──
//     idle ────┴──start─▶  permission                connecting              live            reconnecting
//       │  ◀─looked/refused─   │                         │  └────parted────────┼───parted────────▲  │
//       └──────────end─────────┴───────────end───────────┴─────────end─────────┴────────end─────────┘──▶ ended

/**
 * @typedef {"idle"|"permission"|"connecting"|"live"|"reconnecting"|"ended"} Phase
 * @typedef {object} CallState
 * @property {Phase} phase
 * @property {string} reason in words; empty where the phase says it all
 * @property {string} code stable, of the end: `user`, `grace_over`, … (docs/protocol.md, docs/embed.md)
 * @property {string} next what the person can do about the reason; empty where there is nothing to do
 * @property {number | undefined} retryAfterS seconds from the end after which another try makes sense
 * @property {boolean} peerConnected
 * @property {"unknown"|"connecting"|"live"|"reconnecting"} gateway what the gateway said last
 * @property {boolean} online what the browser says of its network
 * @property {boolean} devicesOpen
 * @property {boolean} muted by the person
 * @property {boolean} held the microphone waits until the model has finished (half-duplex)
 * @property {boolean} hasVideo the call can carry pictures
 * @property {boolean} cameraOn
 * @property {number} cameraCount
 */

const TABLE = {
  idle: { look: "permission", start: "permission", end: "ended" },
  permission: { looked: "idle", refused: "idle", devices: "connecting", end: "ended" },
  connecting: { joined: "live", parted: "reconnecting", end: "ended" },
  live: { parted: "reconnecting", end: "ended" },
  reconnecting: { joined: "live", end: "ended" },
  ended: {},
};

const LEAD = {
  idle: "Ready",
  permission: "Waiting for your permission to use the microphone and the camera",
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  ended: "Ended",
};
const OFFLINE = "this device is offline; your conversation is kept.";

/** @type {CallState} */
export const IDLE = Object.freeze({
  phase: "idle",
  reason: "",
  code: "",
  next: "",
  retryAfterS: undefined,
  peerConnected: false,
  gateway: "unknown",
  online: true,
  devicesOpen: false,
  muted: false,
  held: false,
  hasVideo: false,
  cameraOn: false,
  cameraCount: 0,
});

/**
 * The state after something happened. What the table has no row for leaves the phase as it is: a leg that is being
 * closed still reports.
 * @param {CallState} state
 * @param {any} event `look`, `looked {cameraOn, cameraCount}`, `refused {failure}`, `start`,
 *   `devices {cameraOn, cameraCount}`, `peer {connected, reason}`, `gateway {state, reason}`, `network {online}`,
 *   `muted {muted}`, `held {held}`, `camera {on, cameraCount}` or `end {failure}`, where `failure` is
 *   `{reason, code, next, retryAfterS}`
 * @returns {CallState}
 */
export function after(state, event) {
  switch (event.type) {
    case "look":
    case "start":
      return step(state, event.type, NO_FAILURE);
    case "looked":
    case "devices":
      return step({ ...state, ...pictures(event), devicesOpen: true }, event.type, NO_FAILURE);
    case "refused":
    case "end":
      return step(state, event.type, event.failure);
    case "peer": {
      const known = { ...state, peerConnected: event.connected };
      return event.connected ? joinedIfBothAre(known) : step(known, "parted", { reason: event.reason });
    }
    case "gateway":
      return afterGateway(state, event);
    case "network":
      return { ...state, online: event.online };
    case "muted":
      return { ...state, muted: event.muted };
    case "held":
      return { ...state, held: event.held };
    case "camera":
      return { ...state, cameraOn: event.on, cameraCount: event.cameraCount };
    default:
      throw new Error(`unknown event ${event.type}`);
  }
}

const NO_FAILURE = Object.freeze({ reason: "", code: "", next: "", retryAfterS: undefined });

function pictures({ cameraOn, cameraCount }) {
  return { cameraOn, cameraCount, hasVideo: cameraOn || cameraCount > 0 };
}

function afterGateway(state, { state: said, reason }) {
  const known = { ...state, gateway: said };
  if (said === "live") return joinedIfBothAre(known);
  return said === "reconnecting" ? step(known, "parted", { reason }) : known;
}

function joinedIfBothAre(state) {
  // Without events (a proxy may refuse WebSockets) the peer alone decides: the conversation works all the same.
  const gatewayAgrees = state.gateway === "live" || state.gateway === "unknown";
  return state.peerConnected && gatewayAgrees ? step(state, "joined", NO_FAILURE) : state;
}

function step(state, signal, failure) {
  const phase = TABLE[state.phase][signal];
  return phase === undefined ? state : { ...state, ...NO_FAILURE, ...failure, phase };
}

/**
 * What can be done.
 * @param {CallState} state
 * @returns {{start: boolean, look: boolean, mute: boolean, camera: boolean, flip: boolean, end: boolean}}
 */
export function possible({ phase, devicesOpen, hasVideo, cameraOn, cameraCount }) {
  const inCall = phase === "connecting" || phase === "live" || phase === "reconnecting";
  const canBeSet = inCall || (phase === "idle" && devicesOpen);
  return {
    start: phase === "idle" || phase === "ended",
    look: phase === "idle" && !devicesOpen,
    mute: canBeSet,
    camera: canBeSet && hasVideo,
    flip: canBeSet && cameraOn && cameraCount > 1,
    end: inCall || phase === "permission",
  };
}

/**
 * The state line.
 * @param {CallState} state
 * @returns {string}
 */
export function words({ phase, reason, online }) {
  const offline = !online && (phase === "connecting" || phase === "live" || phase === "reconnecting");
  if (offline) return `${LEAD[phase]}: ${OFFLINE}`;
  return reason ? `${LEAD[phase]}: ${reason}` : LEAD[phase];
}
