// Owns one call from the tap on Start to its end: it joins devices, peer, events and gateway. It must not know the page:
// what there is to see and hear is handed to a `View`.
// Invariant: a call ends once, for the reason that came first; then every device, connection, timer and lock is let go,
// also those that are only being opened.

import { after, IDLE } from "./call-state.js";
import { NO_CAPTIONS, withMessage } from "./captions.js";
import { EventStream } from "./event-stream.js";
import { resultOf } from "./functions.js";
import { Media } from "./media.js";
import { NewestFrame } from "./newest-frame.js";
import { Peer } from "./peer.js";
import { Reattach } from "./reattach.js";

const GONE = "The gateway does not know this call any more.";
const TOO_LONG = "Your connection was gone for too long.";
const RESTART_MS = 4_000; // a way that is not found by then is looked for better by a new peer
const VOICE_ALONE = "Pictures are not part of your invitation.";
const LOST = "Your connection was lost; your conversation is kept.";

const STOPPED = {
  microphone: "The microphone was unplugged or taken away: end the call and start again to be heard.",
  camera: "The camera was unplugged or taken away: press Camera to open it again.",
};

/**
 * @typedef {object} View what a call shows
 * @property {(state: import("./call-state.js").CallState) => void} state
 * @property {(entries: readonly import("./captions.js").Caption[]) => void} captions
 * @property {(text: string, level: string) => void} notice
 * @property {(camera: MediaStreamTrack | undefined, facing: string) => void} selfView
 * @property {(track: MediaStreamTrack) => void} voice
 * @property {(picture: Blob, facts: object) => void} frame
 * @property {(text: string) => void} note
 * @property {(location: string) => void} session
 */

/** One call. */
export class Call {
  #dependencies;
  #client;
  #clock;
  #view;
  #wakeLock;
  #media;
  #frames;
  #state = IDLE;
  #captions = NO_CAPTIONS;
  #over = false;
  #cameraIsChanging = false;
  #iceServers;
  #pictureLimits;
  #location;
  #peer;
  #events;
  #reattach;

  /**
   * @param {object} dependencies
   * @param {import("./gateway-client.js").GatewayClient} dependencies.client
   * @param {MediaDevices | undefined} dependencies.mediaDevices
   * @param {typeof RTCPeerConnection} dependencies.RTCPeerConnection
   * @param {typeof MediaStream} dependencies.MediaStream
   * @param {typeof WebSocket} dependencies.WebSocket
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {import("./wake-lock.js").WakeLock} dependencies.wakeLock
   * @param {string} dependencies.pageUrl
   * @param {View} dependencies.view
   */
  constructor(dependencies) {
    this.#dependencies = dependencies;
    this.#client = dependencies.client;
    this.#clock = dependencies.clock;
    this.#view = dependencies.view;
    this.#wakeLock = dependencies.wakeLock;
    this.#media = new Media({
      mediaDevices: dependencies.mediaDevices,
      onEnded: (device) => this.#deviceStopped(device),
    });
    this.#frames = new NewestFrame({
      get: () => this.#client.frame(this.#location),
      show: (picture, facts) => this.#over || this.#view.frame(picture, facts),
    });
  }

  /** Open the devices and connect. Whatever goes wrong ends the call with a sentence. */
  async start() {
    this.#report({ type: "start" });
    try {
      const [withoutCamera, config, iceServers] = await Promise.all([
        this.#media.open(),
        this.#client.clientConfig(),
        this.#client.iceServers(),
      ]);
      if (this.#over) return;
      this.#iceServers = iceServers;
      this.#pictureLimits = { fpsMax: config.video.fps_max, sizePx: config.video.size_px };
      if (!config.video.allowed) this.#media.stopCamera();
      await this.#devicesOpened(config.video.allowed ? withoutCamera : VOICE_ALONE);
      await this.#connect();
    } catch (problem) {
      this.#finish(problem.message);
    }
  }

  /** The person wants to be heard no more, or again. */
  toggleMute() {
    const muted = !this.#state.muted;
    this.#media.setMuted(muted);
    this.#report({ type: "muted", muted });
  }

  /** The person wants to be seen no more, or again. */
  async toggleCamera() {
    await this.#changeCamera(async () =>
      this.#media.camera ? this.#media.stopCamera() : this.#media.startCamera(),
    );
  }

  /** The person wants the other camera. */
  async flip() {
    await this.#changeCamera(() => this.#media.flipCamera());
  }

  /** The person wants to end the call. */
  end() {
    this.#finish("You ended the call.");
  }

  /** The page is going away. */
  leave() {
    this.#finish("You left the page.");
  }

  /** The network is back: whatever waits for a retry tries now. */
  online() {
    this.#events?.hurry();
    if (this.#reattach) this.#reattach.hurry();
    else this.#peer?.hurry();
  }

  // Devices

  async #devicesOpened(withoutCamera) {
    if (withoutCamera) this.#view.notice(`${withoutCamera} The call goes on with your voice alone.`, "warning");
    this.#view.selfView(this.#media.camera, this.#media.facing);
    const cameraCount = await this.#media.cameraCount();
    if (this.#over) return;
    this.#report({ type: "devices", hasVideo: !withoutCamera, cameraCount });
    this.#wakeLock.hold();
  }

  async #changeCamera(change) {
    if (this.#cameraIsChanging) return; // a second tap while a device is being opened
    this.#cameraIsChanging = true;
    try {
      await change();
    } catch (problem) {
      this.#view.notice(problem.message, "warning");
    }
    await this.#cameraChanged();
    this.#cameraIsChanging = false;
  }

  #limitPictures(fps) {
    this.#pictureLimits.fpsMax = fps;
    this.#peer.limitPictures(fps);
  }

  async #cameraChanged() {
    const { camera, facing } = this.#media;
    if (this.#over) return;
    this.#view.selfView(camera, facing);
    this.#report({ type: "camera", on: camera !== undefined });
    await this.#peer.replacePicture(camera);
  }

  #deviceStopped(device) {
    if (this.#over) return;
    this.#view.notice(STOPPED[device], "warning");
    if (device === "camera") this.#cameraChanged();
  }

  // Peer

  async #connect() {
    if (this.#over) return;
    try {
      await this.#newPeer().connect((offer) => this.#createSession(offer));
      this.#report({ type: "peer", connected: true });
    } catch (problem) {
      if (this.#over) return;
      if (!this.#location) throw problem;
      await this.#getBack();
    }
  }

  async #createSession(offer) {
    const { location, answer } = await this.#client.create(offer);
    this.#location = location;
    if (this.#over) {
      this.#endSession();
    } else {
      this.#view.session(location);
      this.#events = this.#openEvents();
    }
    return answer;
  }

  #newPeer() {
    const { RTCPeerConnection, MediaStream } = this.#dependencies;
    const { microphone, camera, longSidePx } = this.#media;
    this.#peer?.close();
    this.#peer = new Peer({
      RTCPeerConnection,
      clock: this.#clock,
      iceServers: this.#iceServers,
      sendCandidates: (fragment) => this.#client.addCandidates(this.#location, fragment),
      onVoice: (track) => this.#view.voice(track),
      onLost: () => this.#getBack(),
    });
    this.#peer.addVoice(microphone, new MediaStream([microphone]));
    if (this.#state.hasVideo) this.#peer.addPicture(camera, { longSidePx, ...this.#pictureLimits });
    return this.#peer;
  }

  async #getBack() {
    this.#report({ type: "peer", connected: false, reason: LOST });
    this.#reattach = new Reattach({ attempt: (signal) => this.#reconnect(signal), clock: this.#clock });
    try {
      const isBack = await this.#reattach.run();
      this.#reattach = undefined;
      if (isBack) this.#report({ type: "peer", connected: true });
      else this.#finish(TOO_LONG);
    } catch {
      this.#finish(GONE, { tellGateway: false });
    }
  }

  async #reconnect(signal) {
    if (!(await this.#restarts(signal))) await this.#replacePeer(signal);
  }

  /** Whether the present peer found another way. Throws when a new one could not be made either. */
  async #restarts(signal) {
    const limit = new AbortController();
    const timer = this.#clock.setTimeout(() => limit.abort(), RESTART_MS);
    signal.addEventListener("abort", () => limit.abort());
    try {
      const patch = (fragment) => this.#client.restartIce(this.#location, fragment, limit.signal);
      await this.#peer.restart(patch, limit.signal);
      return true;
    } catch (problem) {
      if (problem.isGone || problem.isUnreachable) throw problem;
      return false;
    } finally {
      this.#clock.clearTimeout(timer);
    }
  }

  async #replacePeer(signal) {
    const peer = this.#newPeer();
    signal.addEventListener("abort", () => peer.close());
    await peer.connect((offer) => this.#client.newPeer(this.#location, offer, signal));
  }

  // Events

  #openEvents() {
    const { WebSocket, pageUrl } = this.#dependencies;
    const url = new URL(`${this.#location}/events`, pageUrl);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new EventStream({
      url: url.href,
      protocols: this.#client.subprotocols,
      WebSocket,
      clock: this.#clock,
      exists: () => this.#client.exists(this.#location),
      onMessage: (message) => this.#heard(message),
      onOver: () => this.#finish(GONE, { tellGateway: false }),
    });
  }

  #heard(message) {
    const captions = withMessage(this.#captions, message);
    if (captions !== this.#captions) this.#view.captions(captions.entries);
    this.#captions = captions;
    if (message.type === "error") this.#view.notice(message.data.message, "error");
    if (message.type === "server-message") this.#heardFact(message.data);
    if (message.type === "llm-function-call") this.#called(message.data);
  }

  #called({ function_name: name, tool_call_id: id, args }) {
    const result = resultOf(name, args, this.#view);
    const data = { function_name: name, tool_call_id: id, arguments: args, result };
    this.#events.send({ label: "rtvi-ai", type: "llm-function-call-result", id, data });
  }

  #heardFact(fact) {
    if (fact.type === "frame") this.#frames.announce(fact);
    if (fact.type === "video_wish") this.#limitPictures(fact.fps);
    if (fact.type === "notice") this.#view.notice(fact.text, fact.level);
    if (fact.type !== "state") return;
    if (fact.state === "ended") this.#finish(fact.reason, { tellGateway: false });
    else this.#report({ type: "gateway", state: fact.state, reason: fact.reason });
  }

  // The end

  #finish(reason, { tellGateway = true } = {}) {
    if (this.#over) return;
    this.#over = true;
    this.#media.stop();
    this.#peer?.close();
    this.#reattach?.stop();
    this.#events?.close();
    this.#wakeLock.release();
    if (tellGateway && this.#location) this.#endSession();
    this.#view.selfView(undefined, this.#media.facing);
    this.#report({ type: "end", reason });
  }

  #endSession() {
    // When this does not arrive, the gateway ends the session itself once its grace is over.
    this.#client.end(this.#location).catch(() => {});
  }

  #report(event) {
    this.#state = after(this.#state, event);
    this.#view.state(this.#state);
  }
}
