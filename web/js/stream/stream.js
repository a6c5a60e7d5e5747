// Owns the media of a call over a WebSocket: microphone and camera out, the voice in, through one socket after another.
// It must not know sessions or the page; to its call it is what a `Peer` is.
// Invariant: sound is numbered once and kept until it has arrived, so that another socket goes on where the last one was
// cut; sound never waits for pictures; `onLost` is called once for each loss, and never after `close()`.

import { PeerProblem } from "../peer.js";
import { Allotment } from "./allotment.js";
import { StreamCamera } from "./camera.js";
import { Spoken } from "./spoken.js";
import { FLUSH, HEARD, message, PICTURE, read, SOUND, VOICE } from "./wire.js";

const OPEN = 1; // WebSocket.OPEN
const SILENT_MS = 2_000; // sound that has not arrived for so long, with a way back that is silent too, is stuck
const TOO_LATE_MS = 5_000; // what is said so long before it arrives makes no conversation: it is left out
const KEEP_ALIVE_MS = 1_000; // also while the system keeps the microphone: the gateway counts who says nothing as away
const NO_WAY = "No sound can get from this network to the gateway.";

/** The stream of one call. */
export class Stream {
  #dependencies;
  #spoken = new Spoken();
  #allotment = new Allotment();
  #camera;
  #socket;
  #key; // by which the gateway knows it again
  #heard; // the last number of the voice that was played
  #outcome;
  #timer;
  #nodes = [];
  /** @type {MediaStreamTrack | undefined} */
  #track;
  #microphone;
  #source;
  #speaker;
  #picture = -1;
  #isBetween = true; // two pictures
  #messageMs = 0; // when the gateway last said anything
  #saidMs = 0;
  #bytes = { sent: 0, received: 0 };
  #isUp = false;
  #isClosed = false;

  /**
   * @param {object} dependencies
   * @param {typeof WebSocket} dependencies.WebSocket
   * @param {string} dependencies.url `ws:` or `wss:`, without a query
   * @param {string[]} dependencies.protocols subprotocols to offer; the gateway takes a token there
   * @param {AudioContext} dependencies.audioContext running; the call's
   * @param {typeof AudioWorkletNode} dependencies.AudioWorkletNode
   * @param {typeof MediaStream} dependencies.MediaStream
   * @param {Document} dependencies.document
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {(track: MediaStreamTrack) => void} dependencies.onVoice the model's voice
   * @param {() => void} dependencies.onLost it was open, and nothing comes through any more
   */
  constructor(dependencies) {
    this.#dependencies = dependencies;
    this.#camera = new StreamCamera(dependencies);
  }

  /** Open the ways of sound, and a socket. @param {AbortSignal} [signal] @returns {Promise<void>} */
  async connect(signal) {
    const { audioContext, AudioWorkletNode, onVoice } = this.#dependencies;
    for (const name of ["microphone", "voice"]) {
      await audioContext.audioWorklet.addModule(new URL(`./${name}-worklet.js`, import.meta.url).href);
    }
    if (this.#isClosed) throw new Error("The stream was closed.");
    const mono = { channelCount: 1, channelCountMode: /** @type {const} */ ("explicit") };
    const node = (name, options) => new AudioWorkletNode(audioContext, name, { ...mono, ...options });
    this.#microphone = node("stream-microphone", {});
    this.#microphone.connect(audioContext.destination); // silence, but what leads nowhere may not be run
    this.#speaker = node("stream-voice", { numberOfInputs: 0, outputChannelCount: [1] });
    const destination = audioContext.createMediaStreamDestination();
    this.#speaker.connect(destination);
    this.#nodes = [this.#microphone, this.#speaker];
    this.#microphone.port.onmessage = ({ data }) => this.#said(data);
    this.#speaker.port.onmessage = ({ data }) => this.#played(data);
    this.replaceVoice(this.#track);
    onVoice(destination.stream.getAudioTracks()[0]);
    await this.#open(signal);
  }

  /** Another socket. The first argument is what a `Peer` needs. @param {AbortSignal} signal */
  async restart(_, signal) {
    if (this.#isClosed || !this.#speaker) throw new Error("There is no stream to go on with.");
    await this.#open(signal);
  }

  /** The microphone. @param {MediaStreamTrack | undefined} track */
  addVoice(track) {
    this.#track = track;
  }

  /** The microphone is another one. @param {MediaStreamTrack | undefined} track */
  replaceVoice(track) {
    const { audioContext, MediaStream } = this.#dependencies;
    this.#track = track;
    this.#source?.disconnect();
    this.#source = undefined;
    if (!track || !this.#microphone) return;
    this.#source = audioContext.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#microphone);
  }

  /** @param {MediaStreamTrack | undefined} track undefined while the camera is off */
  replacePicture(track) {
    this.#camera.show(track);
  }

  /**
   * @param {MediaStreamTrack | undefined} track undefined while the camera is off
   * @param {{sizePx: number, fpsMax: number}} limits
   */
  addPicture(track, limits) {
    this.#camera.limit(limits);
    this.#camera.show(track);
  }

  /** Send pictures no more often than this: nobody would look at them. */
  limitPictures(fps) {
    this.#camera.limit({ fpsMax: fps });
  }

  /** The network is another one. */
  hurry() {
    this.#lose();
  }

  /** It leads nowhere any more. */
  giveUp() {
    this.#lose();
  }

  /** The network may be gone: it is watched all the time. */
  doubt() {
    this.#watch();
  }

  /** @returns {Promise<Map<string, object>>} what is known, in the words of `RTCStatsReport` */
  async stats() {
    const { width: frameWidth, height: frameHeight } = this.#camera.size ?? {};
    const shut = this.#allotment.isShut;
    const all = [
      { id: "way", type: "local-candidate", candidateType: "stream", protocol: "wss" },
      {
        id: "pair",
        type: "candidate-pair",
        state: "succeeded",
        nominated: true,
        localCandidateId: "way",
        remoteCandidateId: "way",
        bytesSent: this.#bytes.sent,
        bytesReceived: this.#bytes.received,
        currentRoundTripTime: this.#spoken.delayMs === undefined ? undefined : this.#spoken.delayMs / 1000,
      },
      {
        id: "pictures",
        type: "outbound-rtp",
        kind: "video",
        framesSent: this.#camera.framesSent,
        frameWidth,
        frameHeight,
        qualityLimitationReason: shut ? "bandwidth" : "none",
      },
    ];
    return new Map(all.map((one) => [one.id, one]));
  }

  /** Let go of everything. */
  close() {
    this.#isClosed = true;
    this.#isUp = false;
    this.#dependencies.clock.clearTimeout(this.#timer);
    this.#hangUp();
    this.#outcome?.reject(new Error("The stream was closed."));
    this.#camera.close();
    this.#source?.disconnect();
    for (const node of this.#nodes) {
      node.port.onmessage = null;
      node.disconnect();
    }
  }

  // The socket

  #open(signal) {
    const { WebSocket, url, protocols } = this.#dependencies;
    this.#hangUp();
    this.#isUp = false;
    const played = this.#heard === undefined ? "" : `&heard=${this.#heard}`;
    this.#speaker.port.postMessage({ cut: true }); // what waits to be played comes again
    const socket = new WebSocket(this.#key ? `${url}?stream=${this.#key}${played}` : url, protocols);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      this.#outcome = { resolve, reject };
      const giveUp = () => {
        if (!this.#isUp) this.#hangUp();
        reject(new Error("The stream was given up."));
      };
      if (signal?.aborted) return giveUp();
      signal?.addEventListener("abort", giveUp);
      socket.onmessage = ({ data }) => (typeof data === "string" ? this.#opened(JSON.parse(data)) : this.#take(data));
      socket.onclose = () => {
        reject(new PeerProblem(NO_WAY, "no_way"));
        this.#lose();
      };
    });
  }

  #hangUp() {
    if (!this.#socket) return;
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = undefined;
  }

  #opened({ stream, heard }) {
    const nowMs = this.#dependencies.clock.nowMs();
    if (stream !== this.#key) {
      this.#key = stream;
      this.#heard = undefined;
      this.#speaker.port.postMessage({ begin: true });
    }
    this.#spoken.begin();
    this.#allotment.begin();
    this.#camera.drop();
    if (heard !== null) this.#spoken.heard(heard, nowMs);
    this.#messageMs = nowMs;
    this.#isUp = true;
    for (const { seq, block } of this.#spoken.unheard) this.#sendSound(seq, block);
    this.#watch();
    this.#outcome.resolve();
  }

  #take(data) {
    const nowMs = this.#dependencies.clock.nowMs();
    const { kind, seq, payload } = read(data);
    this.#messageMs = nowMs;
    this.#bytes.received += data.byteLength;
    if (kind === HEARD) {
      this.#spoken.heard(seq, nowMs);
      this.#allotment.heard(seq, this.#spoken.lateMs(nowMs), nowMs);
    } else if (kind === VOICE) this.#speaker.port.postMessage({ seq, samples: payload }, [payload]);
    else if (kind === FLUSH) this.#speaker.port.postMessage({ flush: seq });
  }

  #send(data) {
    if (this.#socket?.readyState !== OPEN) return;
    this.#socket.send(data);
    this.#bytes.sent += data.byteLength;
    this.#saidMs = this.#dependencies.clock.nowMs();
  }

  #watch() {
    const { clock } = this.#dependencies;
    clock.clearTimeout(this.#timer);
    if (!this.#isUp) return;
    const nowMs = clock.nowMs();
    if (this.#spoken.waitingMs(nowMs) > SILENT_MS && nowMs - this.#messageMs > SILENT_MS) return this.#lose();
    if (nowMs - this.#saidMs >= KEEP_ALIVE_MS) this.#send(message(HEARD, this.#heard ?? 0));
    this.#timer = clock.setTimeout(() => this.#watch(), KEEP_ALIVE_MS / 4);
  }

  #lose() {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#dependencies.clock.clearTimeout(this.#timer);
    this.#hangUp();
    this.#dependencies.onLost();
  }

  // Sound and pictures

  /** 40 ms of the microphone: the beat of all that is sent. */
  #said(block) {
    if (this.#isTooSlow()) return this.#spoken.skip();
    const seq = this.#spoken.add(block);
    if (!this.#isUp) return;
    this.#showSome(seq);
    this.#sendSound(seq, block);
  }

  /** Sound arrives, and so late that more of it would only come later still. */
  #isTooSlow() {
    const nowMs = this.#dependencies.clock.nowMs();
    return this.#isUp && nowMs - this.#messageMs < SILENT_MS && this.#spoken.waitingMs(nowMs) > TOO_LATE_MS;
  }

  #sendSound(seq, block) {
    this.#send(message(SOUND, seq, block));
    this.#spoken.sent(seq, this.#dependencies.clock.nowMs());
  }

  /** One part at most before a block of sound: a way that gets narrow is never full of pictures. */
  #showSome(nextSeq) {
    const nowMs = this.#dependencies.clock.nowMs();
    if (this.#allotment.isOver(this.#socket.bufferedAmount, nowMs) || this.#allotment.isShut) this.#camera.drop();
    if (!this.#camera.hasParts) {
      if (this.#allotment.hasRoom) this.#camera.take(nowMs);
      this.#isBetween = true;
    }
    if (!this.#camera.hasParts || !this.#allotment.hasRoom) return;
    if (this.#isBetween) this.#picture += 1;
    const { bytes, more } = this.#camera.nextPart();
    this.#isBetween = !more;
    this.#send(message(PICTURE, this.#picture, bytes, more));
    this.#allotment.sent(nextSeq);
  }

  #played(seq) {
    this.#heard = seq;
    if (this.#isUp) this.#send(message(HEARD, seq));
  }
}
