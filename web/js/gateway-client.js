// Owns the HTTP resources of the gateway: paths, media types, and what their failures say. It must not know peers,
// devices or the page; `fetch` is given to it.
// Invariant: whatever goes wrong is thrown as a `GatewayProblem` whose message can be shown as it is.

/** A request that failed, in a sentence. */
export class GatewayProblem extends Error {
  /**
   * @param {string} detail the sentence
   * @param {number} status of the answer; 0 when there was none
   */
  constructor(detail, status) {
    super(detail);
    this.name = "GatewayProblem";
    this.status = status;
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

  /** @param {{fetch: typeof fetch}} dependencies */
  constructor({ fetch }) {
    this.#fetch = fetch;
  }

  /** @returns {Promise<{upstream: string, video: {fps_max: number, size_px: number}}>} */
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
   * @param {AbortSignal} signal
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
   * Whether the session still exists. A WebSocket that is refused does not tell its page why; a plain request to the
   * same path does.
   * @param {string} location
   * @returns {Promise<boolean>} true also when the gateway cannot be asked
   */
  async exists(location) {
    try {
      await this.#ask(`${location}/events`, { cache: "no-store" });
    } catch (problem) {
      return !problem.isGone;
    }
    return true;
  }

  /**
   * End a session. The request outlives the page.
   * @param {string} location
   */
  async end(location) {
    await this.#ask(location, { method: "DELETE", keepalive: true });
  }

  async #ask(path, options, read = () => undefined) {
    let response;
    let detail;
    try {
      response = await this.#fetch(path, options);
      if (response.ok) return await read(response);
      detail = await sentence(response);
    } catch {
      throw new GatewayProblem("The gateway cannot be reached.", 0);
    }
    throw new GatewayProblem(detail, response.status);
  }
}

function sdp(offer) {
  return { method: "POST", headers: { "Content-Type": "application/sdp" }, body: offer };
}

async function sentence(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/problem+json")) {
    const { detail } = await response.json();
    if (detail) return detail;
  }
  return `The gateway answered with status ${response.status}.`; // a proxy in between, most likely
}
