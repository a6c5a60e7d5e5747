// Owns the ways in which this side ends a call, and what a person can do about any failure, in a sentence. It must not
// know how failures come about, nor the page.
// Invariant: every failure has a next step, also one whose code nobody has heard of.

const AGAIN = "Call again when you are ready.";
const LATER = "Wait a moment, then call again.";
const NEW_LINK = "Ask for a new link.";
const MORE = "Ask whoever gave you the link for more.";
const OPERATOR = "If it happens again, tell whoever runs this gateway what is written here.";

// By the stable code of a problem of the gateway, of the end of a session, or of a problem of this client.
const BY_CODE = {
  // devices
  insecure: "Ask for the https address of this page.",
  unsupported: "Open it in a current Chrome, Safari, Firefox or Edge, not inside another app.",
  not_allowed: "Tap the lock beside the address, allow it, and try again.",
  not_found: "Plug one in or switch it on, then try again.",
  busy: "Close what uses it, then try again.",
  forbidden_device: "Look into the settings of this device, or use another one.",
  device: "Try again, or use another device.",
  // the network
  unreachable: "Look whether this device is online, then try again.",
  no_way: "Try another network, or ask whoever runs this gateway for a relay (TURN).",
  never_connected: "Try another network, or ask whoever runs this gateway for a relay (TURN).",
  lost: AGAIN,
  grace_over: AGAIN,
  session_not_found: AGAIN,
  // who may call
  unauthorized: NEW_LINK,
  token_missing: "Open the link you were given, or ask for one.",
  token_invalid: "Open the whole link as you were given it, or ask for a new one.",
  token_expired: NEW_LINK,
  token_used: NEW_LINK,
  wrong_origin: "Open the link you were given.",
  wrong_profile: NEW_LINK,
  wrong_host: "Open the page under the address that the gateway printed when it was started.",
  forbidden: "Ask whoever gave you the link for one that allows this.",
  // limits
  too_many_sessions_of_subject: "End your other call, or wait until it has ended, then call again.",
  budget_spent: MORE,
  time_up: AGAIN,
  idle: AGAIN,
  token_budget: MORE,
  frame_budget: MORE,
  too_much_media: "Close what changes your camera or microphone, then call again.",
  // the model
  upstream: LATER,
  upstream_auth: "Whoever runs this gateway has to look at its key.",
  upstream_refused: "Whoever runs this gateway has to look at its settings.",
  upstream_quota: "Try again later, or ask whoever runs this gateway for more.",
  upstream_unavailable: LATER,
  // the rest
  shutdown: LATER,
  internal: `Call again. ${OPERATOR}`,
  moved: "Go on there, or move the call back here.",
  left: "",
  user: "",
};

const BY_STATUS = {
  0: BY_CODE.unreachable,
  401: BY_CODE.unauthorized,
  403: BY_CODE.forbidden,
  404: AGAIN,
  429: LATER,
  502: LATER,
  503: LATER,
  504: LATER,
};

/**
 * What to do next.
 * @param {{code?: string, status?: number}} failure
 * @returns {string} a sentence; empty when there is nothing to do
 */
export function nextStep({ code, status }) {
  return BY_CODE[code] ?? BY_STATUS[status] ?? `Try again. ${OPERATOR}`;
}

/**
 * @typedef {object} Failure
 * @property {string} reason what happened, in a sentence
 * @property {string} code stable
 * @property {string} next what the person can do; empty when there is nothing to do
 * @property {number} [retryAfterS]
 */

/**
 * @param {Error & {code?: string, status?: number, retryAfterS?: number}} problem of this client
 * @returns {Failure}
 */
export function failureOf(problem) {
  const { message, code = "", retryAfterS } = problem;
  return { reason: message, code, next: nextStep(problem), retryAfterS };
}

/**
 * The end that the gateway or this side gave a call.
 * @param {{reason: string, code: string}} end
 * @returns {Failure}
 */
export function ended({ reason, code }) {
  return { reason, code, next: nextStep({ code }) };
}

/** Ends of this side's own. */
export const BY_USER = ended({ reason: "You ended the call.", code: "user" });
export const LEFT = ended({ reason: "You left the page.", code: "left" });
export const MOVED = ended({ reason: "The call goes on in another tab.", code: "moved" });
export const GONE = ended({ reason: "The gateway does not know this call any more.", code: "session_not_found" });
export const TOO_LONG = ended({ reason: "Your connection was gone for too long.", code: "lost" });
