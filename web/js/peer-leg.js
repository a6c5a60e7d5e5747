// Owns the WebRTC leg of a call: the peer of the moment, and how a lost one is got back (ICE restart, else a new peer
// for the same session). It must not know the page, events or how devices are opened.
// Invariant: at most one peer is open; `onLost` and `onBack` alternate, and nothing is called after `close()`.

import { Peer } from "./peer.js";
import { Reattach } from "./reattach.js";

const RESTART_MS = 4_000; // a way that is not found by then is looked for better by a new peer

/** The WebRTC leg of one call. */
export class PeerLeg {
  #dependencies;
  #peer;
  #reattach;
  #location;
  #pictureLimits;
  #isNew = false; // brought for a session that was there, and the gateway has not said `live` since
  #moves = false; // only a new peer gets back
  #isClosed = false;

  /**
   * @param {object} dependencies
   * @param {typeof RTCPeerConnection} dependencies.RTCPeerConnection
   * @param {typeof MediaStream} dependencies.MediaStream
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {import("./http.js").GatewayClient} dependencies.client
   * @param {{microphone?: MediaStreamTrack, camera?: MediaStreamTrack, longSidePx: number}} dependencies.media whose
   *   tracks each peer sends
   * @param {RTCIceServer[]} dependencies.iceServers
   * @param {{fpsMax: number, sizePx: number}} dependencies.pictureLimits
   * @param {boolean} dependencies.hasVideo
   * @param {(track: MediaStreamTrack) => void} dependencies.onVoice the model's voice
   * @param {(moves: boolean) => void} dependencies.onLost `moves` when the gateway asked for a new peer
   * @param {() => void} dependencies.onBack
   * @param {(problem: Error | undefined) => void} dependencies.onGivenUp the session is gone (a problem), or patience is
   *   over (none)
   */
  constructor(dependencies) {
    this.#dependencies = dependencies;
    this.#pictureLimits = dependencies.pictureLimits;
  }

  /**
   * The first peer, for a session that its offer makes.
   * @param {(offer: string) => Promise<{location: string, answer: string}>} create
   * @returns {Promise<void>} rejects when no session was made; a session whose peer fails is got back to
   */
  async begin(create) {
    await this.#connected(
      this.#newPeer().connect(async (offer) => {
        const { location, answer } = await create(offer);
        this.#location = location;
        return answer;
      }),
    );
  }

  /** A peer for a session that exists. */
  async join(location) {
    this.#location = location;
    this.#isNew = true;
    const { client } = this.#dependencies;
    await this.#connected(this.#newPeer().connect((offer) => client.newPeer(location, offer)));
  }

  /** The network is another one, or is back: whatever waits for a retry tries now. */
  hurry() {
    if (this.#reattach) this.#reattach.hurry();
    else this.#peer?.hurry();
  }

  /** Another machine of the gateway takes the call, or has it: it waits for a new peer. */
  move() {
    if (this.#isNew) return; // that other machine took it already
    this.#moves = true;
    if (this.#reattach) this.#reattach.hurry();
    else this.#peer?.giveUp();
  }

  /** The gateway says that the peer it has works. */
  settled() {
    this.#isNew = false;
  }

  /** The network may be gone. @param {{isUnheard?: boolean}} [why] */
  doubt(why) {
    if (!this.#reattach) this.#peer?.doubt(why);
  }

  /** The microphone is another one. */
  async replaceVoice(track) {
    await this.#peer?.replaceVoice(track);
  }

  /** @param {MediaStreamTrack | undefined} track undefined while the camera is off */
  async replacePicture(track) {
    await this.#peer?.replacePicture(track);
  }

  /** Send pictures no more often than this: nobody would look at them. */
  limitPictures(fps) {
    this.#pictureLimits = { ...this.#pictureLimits, fpsMax: fps };
    this.#peer?.limitPictures(fps);
  }

  /** @returns {Promise<RTCStatsReport | undefined>} */
  async stats() {
    return this.#peer?.stats();
  }

  /** Let go of everything. */
  close() {
    this.#isClosed = true;
    this.#reattach?.stop();
    this.#peer?.close();
  }

  async #connected(attempt) {
    try {
      await attempt;
    } catch (problem) {
      if (this.#isClosed) return;
      if (!this.#location || problem.isGone) throw problem;
      await this.#getBack();
      return;
    }
    if (!this.#isClosed) this.#dependencies.onBack();
  }

  #newPeer() {
    const { RTCPeerConnection, MediaStream, clock, client, media, iceServers, hasVideo, onVoice } = this.#dependencies;
    this.#peer?.close();
    this.#peer = new Peer({
      RTCPeerConnection,
      clock,
      iceServers,
      sendCandidates: (fragment) => client.addCandidates(this.#location, fragment),
      onVoice,
      onLost: () => this.#getBack(),
    });
    this.#peer.addVoice(media.microphone, new MediaStream(media.microphone ? [media.microphone] : []));
    if (hasVideo) this.#peer.addPicture(media.camera, { longSidePx: media.longSidePx, ...this.#pictureLimits });
    return this.#peer;
  }

  async #getBack() {
    const { clock, onLost, onBack, onGivenUp } = this.#dependencies;
    onLost(this.#moves);
    this.#reattach = new Reattach({ attempt: (signal) => this.#reconnect(signal), clock });
    let problem;
    try {
      const isBack = await this.#reattach.run();
      this.#reattach = undefined;
      if (this.#isClosed) return;
      this.#moves = false;
      if (isBack) return onBack();
    } catch (gone) {
      problem = gone;
    }
    onGivenUp(problem);
  }

  async #reconnect(signal) {
    if (this.#moves || !(await this.#restarts(signal))) await this.#replacePeer(signal);
  }

  /** Whether the present peer found another way. Throws when a new one could not be made either. */
  async #restarts(signal) {
    const { client, clock } = this.#dependencies;
    const limit = new AbortController();
    const timer = clock.setTimeout(() => limit.abort(), RESTART_MS);
    signal.addEventListener("abort", () => limit.abort());
    try {
      const patch = (fragment) => client.restartIce(this.#location, fragment, limit.signal);
      await this.#peer.restart(patch, limit.signal);
      return true;
    } catch (problem) {
      if (problem.isGone || problem.isUnreachable) throw problem;
      return false;
    } finally {
      clock.clearTimeout(timer);
    }
  }

  async #replacePeer(signal) {
    const { client } = this.#dependencies;
    const peer = this.#newPeer();
    this.#isNew = true;
    signal.addEventListener("abort", () => peer.close());
    await peer.connect((offer) => client.newPeer(this.#location, offer, signal));
  }
}
