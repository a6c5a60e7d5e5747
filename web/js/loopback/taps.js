// Owns what a test puts between a call and the browser: devices that are given, connections that are watched, a network
// that can be taken away. It must not know calls or checks.
// Invariant: the parts behave as the browser's own, but for what was asked for; while it is offline no request and no
// socket of the call comes through.

/**
 * A connection that knows when it was opened, and when it connected (`performance.now()`).
 * @typedef {RTCPeerConnection & {openedMs: number, connectedMs?: number}} TimedPeer
 */

/** The browser of one call under test. */
export class Taps {
  #options;
  #window = Object.assign(new EventTarget(), { isSecureContext: window.isSecureContext });
  #sockets = new Set();
  #offline = false;

  /** @type {TimedPeer[]} all that were opened, the newest last */
  peers = [];

  /**
   * @param {object} options
   * @param {MediaStreamTrack} options.microphone
   * @param {MediaStreamTrack} [options.camera]
   * @param {string} options.query of the request for a session: `?mode=echo`, or empty
   * @param {RTCConfiguration} [options.configuration] instead of what the gateway says
   * @param {(kind: "offer" | "answer", sdp: string) => void} options.onDescription
   */
  constructor(options) {
    this.#options = options;
    const taps = this;

    this.RTCPeerConnection = class extends RTCPeerConnection {
      /** @type {number | undefined} */
      connectedMs;

      constructor(given) {
        super({ ...given, ...options.configuration });
        this.openedMs = performance.now();
        this.addEventListener("connectionstatechange", () => {
          if (this.connectionState === "connected") this.connectedMs ??= performance.now();
        });
        taps.peers.push(this);
      }
    };

    this.WebSocket = class extends WebSocket {
      /** @param {string} url @param {string[]} protocols */
      constructor(url, protocols) {
        if (taps.#offline) return /** @type {any} */ (new DeadSocket());
        super(url, protocols);
        taps.#sockets.add(this);
        this.addEventListener("close", () => taps.#sockets.delete(this));
      }
    };
  }

  /**
   * What the call is told of its surroundings. The page itself may be hidden and shown as ever.
   * @returns {any} of `window` and `navigator` what a call uses
   */
  get browser() {
    return { window: this.#window, document, navigator: { mediaDevices: this.#mediaDevices } };
  }

  /** As `fetch`. */
  fetch = async (resource, init = {}) => {
    if (this.#offline) throw new TypeError("The network was taken away for a test.");
    const { query, onDescription } = this.#options;
    const url = new URL(resource, window.location.href);
    const isDescription = init.headers?.["Content-Type"] === "application/sdp";
    if (isDescription && url.pathname === "/v1/sessions") url.search = query;
    if (isDescription) onDescription("offer", init.body);
    const response = await window.fetch(url, init);
    if (isDescription && response.ok) onDescription("answer", await response.clone().text());
    return response;
  };

  /** Take the network away from requests and sockets, or give it back; the call is told, as by a browser. */
  setOffline(offline) {
    this.#offline = offline;
    if (offline) this.#cutSockets();
    this.#window.dispatchEvent(new Event(offline ? "offline" : "online"));
  }

  /** As when a phone goes from Wi-Fi to LTE: the connection of the moment is gone at once, and there is another network. */
  changeNetwork() {
    this.peers.at(-1).close();
    this.#window.dispatchEvent(new Event("online"));
  }

  /** As `MediaDevices`: the tracks that were given, and no others. */
  #mediaDevices = Object.assign(new EventTarget(), {
    getUserMedia: async ({ audio, video }) => {
      const { microphone, camera } = this.#options;
      if (video && !camera) throw new DOMException("This test has no camera.", "NotFoundError");
      return new MediaStream([...(audio ? [microphone] : []), ...(video ? [camera] : [])]);
    },
    enumerateDevices: async () => [],
  });

  /** A network that is gone sends no close frame: the call is told of an abnormal end, and hears nothing more. */
  #cutSockets() {
    for (const socket of this.#sockets) {
      const { onclose } = socket;
      socket.onmessage = socket.onclose = null;
      this.#sockets.delete(socket);
      socket.close();
      onclose?.call(socket, { code: 1006 });
    }
  }
}

/** A WebSocket that never opens, as without a network. */
class DeadSocket {
  readyState = WebSocket.CLOSED;
  /** @type {((event: {code: number}) => void) | undefined} */
  onclose;

  constructor() {
    setTimeout(() => this.onclose?.({ code: 1006 }), 0);
  }

  close() {}

  send() {}
}
