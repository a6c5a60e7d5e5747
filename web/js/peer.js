// Owns one RTCPeerConnection: its sections, its offer, its candidates, when it counts as lost, and the restart of its
// ICE. It must not know sessions, devices or the page.
// Invariant: `connect()` settles once; `onLost` is called only while it is connected, once for each loss, and never
// after `close()`.

import { answerWith, bundleOf, fragment } from "./sdpfrag.js";
import { Trickle } from "./trickle.js";

const SILENT_MS = 2_000; // without a byte while disconnected: the gateway reports at least every 1.5 s
const UNHEARD_MS = 400; // the same, once the gateway has said that it hears nothing: it knocks every 100 ms then
const LOOK_MS = 100;
const VIDEO_BPS = 300_000;
/** @type {{priority: RTCPriorityType, networkPriority: RTCPriorityType}} */
const VOICE_FIRST = { priority: "high", networkPriority: "high" };
/** @type {{priority: RTCPriorityType, networkPriority: RTCPriorityType}} */
const PICTURE_LAST = { priority: "low", networkPriority: "low" };

/** A connection that cannot be made, in a sentence. */
export class PeerProblem extends Error {
  /** @param {string} message @param {string} code stable: `no_way` */
  constructor(message, code) {
    super(message);
    this.name = "PeerProblem";
    this.code = code;
  }
}

/** One connection to the gateway. */
export class Peer {
  #pc;
  #clock;
  #onLost;
  #sendCandidates;
  #trickle;
  #voiceSender;
  #videoSender;
  #timer;
  #answer;
  #outcome = deferred();
  #wasConnected = false;
  #isUp = false; // connected, and not lost since
  #isClosed = false;

  /**
   * @param {object} dependencies
   * @param {typeof RTCPeerConnection} dependencies.RTCPeerConnection
   * @param {{setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {RTCIceServer[]} dependencies.iceServers
   * @param {(fragment: string) => Promise<void>} dependencies.sendCandidates
   * @param {(track: MediaStreamTrack) => void} dependencies.onVoice the model's voice
   * @param {() => void} dependencies.onLost it was connected, and nothing comes through any more
   */
  constructor({ RTCPeerConnection, clock, iceServers, sendCandidates, onVoice, onLost }) {
    this.#clock = clock;
    this.#onLost = onLost;
    this.#sendCandidates = sendCandidates;
    this.#trickle = new Trickle(sendCandidates);
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#pc.onicecandidate = ({ candidate }) => this.#trickle.found(candidate);
    this.#pc.ontrack = ({ track }) => onVoice(track);
    this.#pc.onconnectionstatechange = () => this.#changed(this.#pc.connectionState);
  }

  /**
   * The person's voice goes out and the model's comes back in the same section.
   * @param {MediaStreamTrack | undefined} track undefined while there is no microphone
   * @param {MediaStream} stream
   */
  addVoice(track, stream) {
    /** @type {RTCRtpTransceiverInit} */
    const init = { direction: "sendrecv", streams: [stream], sendEncodings: [VOICE_FIRST] };
    this.#voiceSender = this.#pc.addTransceiver(track ?? "audio", init).sender;
  }

  /**
   * The picture goes out, no larger and no more often than the model looks.
   * @param {MediaStreamTrack | undefined} track undefined while the camera is off
   * @param {{longSidePx: number, sizePx: number, fpsMax: number}} limits
   */
  addPicture(track, { longSidePx, sizePx, fpsMax }) {
    const encoding = {
      ...rate(fpsMax),
      maxBitrate: VIDEO_BPS,
      scaleResolutionDownBy: Math.max(1, longSidePx / sizePx),
      ...PICTURE_LAST,
    };
    /** @type {RTCRtpTransceiverInit} */
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
   * The voice of another microphone, in the same section.
   * @param {MediaStreamTrack | undefined} track
   */
  async replaceVoice(track) {
    if (this.#pc.signalingState !== "closed") await this.#voiceSender?.replaceTrack(track ?? null);
  }

  /** Send pictures no more often than this: nobody would look at them. At 0 none are sent. */
  async limitPictures(fps) {
    if (this.#isClosed || !this.#videoSender) return;
    const parameters = this.#videoSender.getParameters();
    for (const encoding of parameters.encodings) Object.assign(encoding, rate(fps));
    await this.#videoSender.setParameters(parameters).catch(() => {}); // a wish; a browser may refuse it meanwhile
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

  /**
   * Look for another way to the gateway, with the same tracks and keys (RFC 8445 section 9).
   * @param {(fragment: string) => Promise<string>} patch hands our new credentials over and returns the gateway's side
   * @param {AbortSignal} signal stops the waiting
   * @returns {Promise<void>} resolves when something comes through again; rejects when it was refused or closed
   */
  async restart(patch, signal) {
    if (this.#isClosed || !this.#wasConnected) throw new Error("There is no connection to restart.");
    this.#clock.clearTimeout(this.#timer);
    this.#trickle.stop();
    this.#trickle = new Trickle(this.#sendCandidates);
    this.#pc.restartIce();
    await this.#pc.setLocalDescription();
    const offer = this.#pc.localDescription.sdp;
    this.#answer = answerWith(this.#answer, await patch(fragment(bundleOf(offer), [], false)));
    const before = await this.#received();
    await this.#pc.setRemoteDescription({ type: "answer", sdp: this.#answer });
    this.#trickle.begin(offer);
    while (this.#pc.connectionState !== "connected" || (await this.#received()) === before) {
      await this.#pause(signal);
    }
    this.#isUp = true;
  }

  /** The network is another one: look for a way now. */
  hurry() {
    if (this.#isUp) this.#lose();
  }

  /** It leads nowhere any more, whatever the browser says. */
  giveUp() {
    this.#lose();
  }

  /**
   * The network may be gone: count as lost as soon as nothing has come for a while, whatever the browser says.
   * @param {{isUnheard?: boolean}} [why] that the gateway, which is reached otherwise, hears nothing of this peer
   */
  doubt({ isUnheard = false } = {}) {
    if (!this.#isUp) return;
    this.#clock.clearTimeout(this.#timer);
    this.#watch(undefined, 0, { onlyWhileDisconnected: false, patienceMs: isUnheard ? UNHEARD_MS : SILENT_MS });
  }

  /** @returns {Promise<RTCStatsReport>} */
  stats() {
    return this.#pc.getStats();
  }

  /** Let go of it. */
  close() {
    this.#isClosed = true;
    this.#isUp = false;
    this.#clock.clearTimeout(this.#timer);
    this.#pc.onicecandidate = this.#pc.ontrack = this.#pc.onconnectionstatechange = null;
    this.#trickle.stop();
    this.#pc.close();
    this.#outcome.reject(new Error("The connection was closed."));
  }

  async #describe(post) {
    await this.#pc.setLocalDescription();
    const offer = this.#pc.localDescription.sdp;
    this.#answer = await post(offer);
    this.#trickle.begin(offer);
    await this.#pc.setRemoteDescription({ type: "answer", sdp: this.#answer });
  }

  #changed(state) {
    this.#clock.clearTimeout(this.#timer);
    if (state === "connected" && !this.#wasConnected) {
      this.#wasConnected = this.#isUp = true;
      this.#outcome.resolve();
    }
    if (state === "disconnected") this.#watch(undefined, 0);
    if (state === "failed") this.#lose();
  }

  /** Lost once nothing has come for so long; a gap that is shorter heals by itself. */
  async #watch(before, silentMs, { onlyWhileDisconnected = true, patienceMs = SILENT_MS } = {}) {
    const bytes = await this.#received();
    const isDisconnected = this.#pc.connectionState === "disconnected";
    if (this.#isClosed || (onlyWhileDisconnected && !isDisconnected)) return;
    if (bytes !== before) {
      if (before !== undefined && !isDisconnected) return; // it is alive
      silentMs = 0;
    }
    if (silentMs >= patienceMs) return this.#lose();
    const again = () => this.#watch(bytes, silentMs + LOOK_MS, { onlyWhileDisconnected, patienceMs });
    this.#timer = this.#clock.setTimeout(again, LOOK_MS);
  }

  /** Bytes of media and reports that have come. */
  async #received() {
    let transports = 0;
    let pairs = 0; // Firefox does not tell bytes of transports
    for (const one of (await this.#pc.getStats()).values()) {
      if (one.type === "transport") transports += one.bytesReceived ?? 0;
      if (one.type === "candidate-pair") pairs += one.bytesReceived ?? 0;
    }
    return transports || pairs;
  }

  #pause(signal) {
    return new Promise((resolve, reject) => {
      if (this.#isClosed || signal.aborted) return reject(new Error("The restart was given up."));
      this.#clock.setTimeout(resolve, LOOK_MS);
    });
  }

  #lose() {
    this.#clock.clearTimeout(this.#timer);
    if (this.#isUp) {
      this.#isUp = false;
      this.#onLost();
    } else {
      this.#outcome.reject(new PeerProblem("No sound can get from this network to the gateway.", "no_way"));
    }
  }
}

/** The part of an encoding that says how often pictures are sent; a browser takes no rate of 0, but sends none. */
function rate(fps) {
  return fps > 0 ? { active: true, maxFramerate: fps } : { active: false };
}

function deferred() {
  /** @type {(value?: any) => void} */
  let resolve = () => {};
  let reject = resolve;
  const promise = new Promise((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
}
