// Owns the HTTP resources of the gateway: paths, media types, and what their failures say. It must not know peers,
// devices or the page; `fetch` is given to it.
// Invariant: whatever goes wrong is thrown as a `GatewayProblem` whose message can be shown as it is; the token is sent in
// headers and in subprotocols, never in an address.

import { subprotocols } from "./token.js";

// The gateway's own words are for whoever makes tokens; these are for whoever was sent a link with one.
const INVITATION = {
  token_missing: "You need an invitation to call here.",
  token_invalid: "This invitation is not valid here.",
  token_expired: "Your invitation has expired.",
  token_used: "Your invitation was for one call, and has been used.",
  wrong_origin: "Your invitation is for another site.",
  wrong_profile: "Your invitation is for another assistant than the one here.",
};

/**
 * @typedef {object} ClientConfig
 * @property {string} version of the gateway
 * @property {"simulator" | "gemini" | "vertex"} upstream
 * @property {string} model
 * @property {{allowed: boolean, fps_min: number, fps_max: number, size_px: number}} video
 */

/** A request that failed, in a sentence. */
export class GatewayProblem extends Error {
  /**
   * @param {string} detail the sentence
   * @param {number} status of the answer; 0 when there was none
   * @param {{code?: string, retryAfterS?: number}} [more] `code` as in docs/protocol.md; seconds after which the gateway
   *   says that another try makes sense
   */
  constructor(detail, status, { code = "", retryAfterS } = {}) {
    super(detail);
    this.name = "GatewayProblem";
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }

  /** Nothing answered: there is no network at the moment. */
  get isUnreachable() {
    return this.status === 0;
  }

  /** The session does not exist any more, and trying again does not bring it back. */
  get isGone() {
    return this.status === 404;
  }
}

/** The gateway, as a client sees it. */
export class GatewayClient {
  #fetch;
  #base;
  #token;

  /**
   * @param {object} dependencies
   * @param {typeof fetch} dependencies.fetch
   * @param {string} [dependencies.base] where the gateway is, when it is not where the page came from
   * @param {string} [dependencies.token] what lets this client in, where the gateway wants one
   */
  constructor({ fetch, base = "", token }) {
    this.#fetch = fetch;
    this.#base = base;
    this.#token = token;
  }

  /** What a WebSocket of this client is opened with. */
  get subprotocols() {
    return subprotocols(this.#token);
  }

  /** @returns {Promise<ClientConfig>} as the token allows */
  async clientConfig() {
    return this.#ask("/v1/client-config", {}, (response) => response.json());
  }

  /** @returns {Promise<RTCIceServer[]>} */
  async iceServers() {
    const { iceServers } = await this.#ask("/v1/ice-servers", {}, (response) => response.json());
    return iceServers;
  }

  /**
   * Make a session.
   * @param {string} offer SDP
   * @returns {Promise<{location: string, answer: string}>}
   */
  async create(offer) {
    return this.#ask("/v1/sessions", sdp(offer), async (response) => ({
      location: response.headers.get("Location"),
      answer: await response.text(),
    }));
  }

  /**
   * Give a session a new peer.
   * @param {string} location
   * @param {string} offer SDP
   * @param {AbortSignal} [signal]
   * @returns {Promise<string>} the answer
   */
  async newPeer(location, offer, signal) {
    return this.#ask(`${location}/peer`, { ...sdp(offer), signal }, (response) => response.text());
  }

  /**
   * Tell the gateway of candidates.
   * @param {string} location
   * @param {string} fragment
   */
  async addCandidates(location, fragment) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
    await this.#ask(location, { method: "PATCH", headers, body: fragment });
  }

  /**
   * Restart ICE: the browser has another network.
   * @param {string} location
   * @param {string} fragment with new credentials
   * @param {AbortSignal} signal
   * @returns {Promise<string>} the gateway's side, a fragment
   */
  async restartIce(location, fragment, signal) {
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag" };
    const options = { method: "PATCH", headers, body: fragment, signal };
    return this.#ask(location, options, (response) => response.text());
  }

  /**
   * The newest picture the model saw.
   * @param {string} location
   * @returns {Promise<Blob>}
   */
  async frame(location) {
    return this.#ask(`${location}/frame`, { cache: "no-store" }, (response) => response.blob());
  }

  /**
   * Throws when the session is gone, or the gateway is not reached. A WebSocket that is refused does not tell its page
   * why; a plain request to the same path does.
   * @param {string} location
   * @param {AbortSignal} [signal]
   */
  async check(location, signal) {
    try {
      await this.#ask(`${location}/events`, { cache: "no-store", signal });
    } catch (problem) {
      if (problem.isGone || problem.isUnreachable) throw problem;
    }
  }

  /**
   * Whether the session still exists.
   * @param {string} location
   * @returns {Promise<boolean>} true also when the gateway cannot be asked
   */
  async exists(location) {
    return this.check(location).then(
      () => true,
      (problem) => !problem.isGone,
    );
  }

  /**
   * End a session. The request outlives the page.
   * @param {string} location
   */
  async end(location) {
    await this.#ask(location, { method: "DELETE", keepalive: true });
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   * @param {(response: Response) => any} [read]
   */
  async #ask(path, options, read = () => undefined) {
    let problem;
    try {
      const response = await this.#fetch(this.#base ? new URL(path, this.#base).href : path, this.#signed(options));
      if (response.ok) return await read(response);
      problem = await problemOf(response);
    } catch {
      throw new GatewayProblem("The gateway cannot be reached.", 0, { code: "unreachable" });
    }
    throw problem;
  }

  #signed(options) {
    if (!this.#token) return options;
    return { ...options, headers: { ...options.headers, Authorization: `Bearer ${this.#token}` } };
  }
}

function sdp(offer) {
  return { method: "POST", headers: { "Content-Type": "application/sdp" }, body: offer };
}

async function problemOf(response) {
  const type = response.headers.get("Content-Type") ?? "";
  const said = type.startsWith("application/problem+json") ? await response.json() : {};
  const detail = INVITATION[said.code] || said.detail || `The gateway answered with status ${response.status}.`; // a proxy in between, most likely
  const more = { code: said.code, retryAfterS: secondsOf(response.headers.get("Retry-After")) };
  return new GatewayProblem(detail, response.status, more);
}

/** `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. */
function secondsOf(text) {
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const leftMs = Date.parse(text) - Date.now();
  return Number.isNaN(leftMs) ? undefined : Math.max(0, Math.ceil(leftMs / 1000));
}
