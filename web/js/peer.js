// Owns one RTCPeerConnection: its sections, its offer, its candidates, and when it counts as lost. It must not know
// sessions, devices or the page; it is never repaired, but replaced by another.
// Invariant: `connect()` settles once; `onLost` is called at most once, only after it was connected, and never after
// `close()`.

import { Trickle } from "./trickle.js";

const DISCONNECTED_MS = 4_000; // short gaps of a mobile network heal by themselves
const VIDEO_BPS = 300_000;

/** One connection to the gateway. */
export class Peer {
  #pc;
  #clock;
  #onLost;
  #trickle;
  #videoSender;
  #patience;
  #outcome = deferred();
  #wasConnected = false;

  /**
   * @param {object} dependencies
   * @param {typeof RTCPeerConnection} dependencies.RTCPeerConnection
   * @param {{setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {RTCIceServer[]} dependencies.iceServers
   * @param {(fragment: string) => Promise<void>} dependencies.sendCandidates
   * @param {(track: MediaStreamTrack) => void} dependencies.onVoice the model's voice
   * @param {() => void} dependencies.onLost it was connected, and is lost
   */
  constructor({ RTCPeerConnection, clock, iceServers, sendCandidates, onVoice, onLost }) {
    this.#clock = clock;
    this.#onLost = onLost;
    this.#trickle = new Trickle(sendCandidates);
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.onicecandidate = ({ candidate }) => this.#trickle.found(candidate);
    this.#pc.ontrack = ({ track }) => onVoice(track);
    this.#pc.onconnectionstatechange = () => this.#changed(this.#pc.connectionState);
  }

  /** The person's voice goes out and the model's comes back in the same section. */
  addVoice(track, stream) {
    this.#pc.addTransceiver(track, { direction: "sendrecv", streams: [stream] });
  }

  /**
   * The picture goes out, no larger and no more often than the model looks.
   * @param {MediaStreamTrack | undefined} track undefined while the camera is off
   * @param {{longSidePx: number, sizePx: number, fpsMax: number}} limits
   */
  addPicture(track, { longSidePx, sizePx, fpsMax }) {
    const encoding = {
      maxFramerate: fpsMax,
      maxBitrate: VIDEO_BPS,
      scaleResolutionDownBy: Math.max(1, longSidePx / sizePx),
    };
    const init = { direction: "sendonly", sendEncodings: [encoding] };
    this.#videoSender = this.#pc.addTransceiver(track ?? "video", init).sender;
  }

  /**
   * A closed peer takes no track; the one that replaces it is made with the track of that moment.
   * @param {MediaStreamTrack | undefined} track undefined while the camera is off
   */
  async replacePicture(track) {
    if (this.#pc.signalingState !== "closed") await this.#videoSender?.replaceTrack(track ?? null);
  }

  /**
   * Exchange descriptions and wait for media to flow. Candidates follow by themselves.
   * @param {(offer: string) => Promise<string>} post hands the offer over and returns the answer
   * @returns {Promise<void>} rejects when the exchange fails, or when it is lost or closed before it was connected
   */
  connect(post) {
    // Not awaited: the methods of a closed RTCPeerConnection may never settle, `close()` settles the outcome.
    this.#describe(post).catch(this.#outcome.reject);
    return this.#outcome.promise;
  }

  /** The network is back: do not wait for a gap to heal by itself. */
  hurry() {
    if (this.#pc.connectionState === "disconnected") this.#lose();
  }

  /** Let go of it. */
  close() {
    this.#clock.clearTimeout(this.#patience);
    this.#pc.onicecandidate = this.#pc.ontrack = this.#pc.onconnectionstatechange = null;
    this.#trickle.stop();
    this.#pc.close();
    this.#outcome.reject(new Error("The connection was closed."));
  }

  async #describe(post) {
    await this.#pc.setLocalDescription();
    const offer = this.#pc.localDescription.sdp;
    const answer = await post(offer);
    this.#trickle.begin(offer);
    await this.#pc.setRemoteDescription({ type: "answer", sdp: answer });
  }

  #changed(state) {
    this.#clock.clearTimeout(this.#patience);
    if (state === "connected") {
      this.#wasConnected = true;
      this.#outcome.resolve();
    }
    if (state === "disconnected") this.#patience = this.#clock.setTimeout(() => this.#lose(), DISCONNECTED_MS);
    if (state === "failed") this.#lose();
  }

  #lose() {
    this.close();
    if (this.#wasConnected) this.#onLost();
  }
}

function deferred() {
  const settle = {};
  const promise = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }));
  return { promise, ...settle };
}
