// Owns the way of a call's media: the peer of the moment, or, where WebRTC gets nowhere, the stream; and how a lost one
// is got back (ICE restart or another socket, else a new peer for the same session). It must not know the page, events or
// how devices are opened.
// Invariant: at most one peer is open, except that the former plays what it has until there is an answer for the next;
// `onLost` and `onBack` alternate, and nothing is called after `close()`.

import { Peer } from "./peer.js";
import { Reattach } from "./reattach.js";

const RESTART_MS = 4_000; // a way that is not found by then is looked for better by a new peer
const STREAM_TRIES = 2; // the first may have begun while there was no network
const STREAM_AFTER_MS = 5_000; // from the answer: ten checks of each pair, and a relay over TLS has long been found

/** The way of one call's media. */
export class PeerLeg {
  #dependencies;
  #peer;
  #former; // has no say any more
  #reattach;
  #location;
  #pictureLimits;
  #isNew = false; // brought for a session that was there, and the gateway has not said `live` since
  #moves = false; // only a new peer gets back
  #isStream = false;
  #isClosed = false;

  /**
   * @param {object} dependencies
   * @param {typeof RTCPeerConnection} dependencies.RTCPeerConnection
   * @param {typeof MediaStream} dependencies.MediaStream
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {import("./http.js").GatewayClient} dependencies.client
   * @param {string} dependencies.gatewayUrl
   * @param {typeof WebSocket} dependencies.WebSocket
   * @param {() => Promise<{Stream: typeof import("./stream/stream.js").Stream}>} [dependencies.loadStream] most calls
   *   never need it
   * @param {typeof AudioWorkletNode} [dependencies.AudioWorkletNode] without it there is no stream
   * @param {{document: Document}} dependencies.browser
   * @param {{microphone?: MediaStreamTrack, camera?: MediaStreamTrack, longSidePx: number, audioContext?: AudioContext}}
   *   dependencies.media whose tracks each peer sends
   * @param {RTCIceServer[]} dependencies.iceServers
   * @param {{fpsMax: number, sizePx: number}} dependencies.pictureLimits
   * @param {boolean} dependencies.hasVideo
   * @param {(track: MediaStreamTrack) => void} dependencies.onVoice the model's voice
   * @param {(moves: boolean) => void} dependencies.onLost `moves` when the gateway asked for a new peer
   * @param {() => void} dependencies.onBack
   * @param {() => void} dependencies.onStream a stream is what it is from now on
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
      this.#connect(async (offer) => {
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
    await this.#connected(this.#connect((offer) => client.newPeer(location, offer)));
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
    this.#letGo();
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

  /** By WebRTC, or where that gets nowhere by a stream. */
  async #connect(post, signal) {
    const { clock } = this.#dependencies;
    const peer = this.#newPeer();
    const close = () => peer.close();
    signal?.addEventListener("abort", close);
    let timer;
    let isSettled = false; // closed, perhaps, while the gateway was asked
    try {
      await peer.connect(async (offer) => {
        const answer = await post(offer);
        this.#letGo();
        const giveUp = async () => (await this.#canStream()) && close();
        if (!isSettled) timer = clock.setTimeout(giveUp, STREAM_AFTER_MS);
        return answer;
      });
    } catch (problem) {
      const wasRefused = problem.status !== undefined; // or the gateway was not reached: a socket would fare no better
      const isOver = this.#isClosed || signal?.aborted || this.#peer !== peer;
      if (!this.#location || wasRefused || isOver || !(await this.#canStream())) throw problem;
      clock.clearTimeout(timer);
      await this.#stream(signal);
    } finally {
      isSettled = true;
      clock.clearTimeout(timer);
      this.#letGo();
    }
  }

  /** Of the former peer: the next one speaks from now on, or nobody does. */
  #letGo() {
    this.#former?.close();
    this.#former = undefined;
  }

  async #canStream() {
    const { AudioWorkletNode, loadStream, media } = this.#dependencies;
    if (!AudioWorkletNode || !media.audioContext?.audioWorklet) return false;
    return loadStream().then(
      () => true,
      () => false,
    );
  }

  async #stream(signal) {
    const { AudioWorkletNode, client, gatewayUrl, loadStream, media, onStream } = this.#dependencies;
    const { Stream } = await loadStream();
    if (this.#isClosed || signal?.aborted) throw new Error("It is not wanted any more.");
    const url = new URL(`${this.#location}/stream`, gatewayUrl);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const stream = new Stream({
      ...this.#dependencies,
      url: url.href,
      protocols: client.subprotocols,
      AudioWorkletNode,
      audioContext: media.audioContext,
      document: this.#dependencies.browser.document,
      onLost: () => this.#getBack(),
    });
    this.#use(stream);
    this.#isStream = true;
    await stream.connect(signal);
    onStream();
  }

  #newPeer() {
    const { RTCPeerConnection, MediaStream, clock, client, media, iceServers, onVoice } = this.#dependencies;
    const peer = new Peer({
      RTCPeerConnection,
      clock,
      iceServers,
      sendCandidates: (fragment) => client.addCandidates(this.#location, fragment),
      onVoice,
      onLost: () => this.#getBack(),
    });
    this.#use(peer, new MediaStream(media.microphone ? [media.microphone] : []));
    this.#isStream = false;
    return peer;
  }

  /** This one from now on, with the devices of the moment. */
  #use(peer, bundle) {
    const { media, hasVideo } = this.#dependencies;
    this.#letGo();
    this.#former = this.#peer;
    this.#peer = peer;
    peer.addVoice(media.microphone, bundle);
    if (hasVideo) peer.addPicture(media.camera, { longSidePx: media.longSidePx, ...this.#pictureLimits });
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
    const isBack = this.#isStream ? await this.#streamsOn(signal) : !this.#moves && (await this.#restarts(signal));
    if (!isBack) await this.#replacePeer(signal);
  }

  /**
   * Whether the stream goes on over another socket, which also finds the machine that the call has moved to. A stream
   * keeps what was said meanwhile: it is given up only when the gateway is reached, and takes no socket all the same.
   */
  async #streamsOn(signal) {
    this.#isNew ||= this.#moves;
    for (let tries = 0; tries < STREAM_TRIES; tries += 1) {
      if (await this.#restarts(signal)) return true;
      await this.#dependencies.client.check(this.#location, signal);
    }
    return false;
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
    this.#isNew = true;
    await this.#connect((offer) => client.newPeer(this.#location, offer, signal), signal);
  }
}
