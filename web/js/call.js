// Owns one call from the first tap to its end: it joins devices, peer, events, voice and gateway. It must not know any
// page: what there is to see and hear is told by events.
// Invariant: a call ends once, for the reason that came first; then every device, connection, timer and lock is let go,
// also those that are only being opened.

import { CallDevices } from "./call-devices.js";
import { after, IDLE } from "./call-state.js";
import { NO_CAPTIONS, running, withMessage } from "./captions.js";
import { EventStream } from "./event-stream.js";
import { BY_USER, ended, failureOf, GONE, LEFT, MOVED, TOO_LONG } from "./failures.js";
import { resultOf } from "./functions.js";
import { DeviceProblem } from "./media.js";
import { NewestFrame } from "./newest-frame.js";
import { PeerLeg } from "./peer-leg.js";
import { QualityVerdict, read } from "./quality.js";
import { watch } from "./surroundings.js";
import { turnAfter } from "./turn-taking.js";
import { Voice } from "./voice.js";

const LOST = "your connection was lost; your conversation is kept.";
const MOVES = "the call moves to another machine of the gateway; your conversation is kept.";
const STREAM =
  "Only web traffic gets through from here: sound and pictures go over one secure connection, and may lag where it is slow.";
const TICK_MS = 100; // half-duplex has to be faster than a word
const TICKS_OF_STATS = 10;
const MICROPHONE = 0; // of the tracks that `trackStatus` is about (docs/protocol.md)

/** One call. Its events are described in docs/embed.md. */
export class Call extends EventTarget {
  #parts;
  #client;
  #clock;
  #devices;
  #frames;
  #voice;
  #quality = new QualityVerdict();
  #state = IDLE;
  #captions = NO_CAPTIONS;
  /** @type {import("./turn-taking.js").Turn} */
  #turn = "listening";
  #begun = false;
  #over = false;
  #location;
  #leg;
  #events;
  #reading;
  #timer;
  #ticks = 0;
  #said = 0;
  #stopWatching;

  /**
   * @param {object} parts what a browser gives; `gateway-client.js` fills it in
   * @param {import("./http.js").GatewayClient} parts.client
   * @param {{nowMs: () => number, setTimeout: Function, clearTimeout: Function}} parts.clock
   * @param {{window: Window, document: Document, navigator: Navigator}} parts.browser
   * @param {typeof RTCPeerConnection | undefined} parts.RTCPeerConnection
   * @param {typeof MediaStream} parts.MediaStream
   * @param {typeof WebSocket} parts.WebSocket
   * @param {typeof AudioContext | undefined} parts.AudioContext
   * @param {typeof AudioWorkletNode} [parts.AudioWorkletNode]
   * @param {() => Promise<{Stream: typeof import("./stream/stream.js").Stream}>} [parts.loadStream] what goes
   *   instead of a peer where WebRTC gets nowhere
   * @param {HTMLAudioElement} parts.audio plays the model's voice
   * @param {import("./wake-lock.js").WakeLock} parts.wakeLock
   * @param {string} parts.gatewayUrl
   * @param {import("./functions.js").Functions} parts.functions what the model may call in this page
   */
  constructor(parts) {
    super();
    this.#parts = parts;
    this.#client = parts.client;
    this.#clock = parts.clock;
    this.#voice = new Voice({
      element: parts.audio,
      MediaStream: parts.MediaStream,
      onBlocked: (blocked) => this.#tell("blocked", { blocked }),
    });
    this.#devices = new CallDevices(parts, {
      tell: (type, detail) => this.#tell(type, detail),
      report: (event) => this.#report(event),
      onVoiceTrack: (track) => this.#leg?.replaceVoice(track),
      onPictureTrack: (track) => this.#leg?.replacePicture(track),
      onMicrophone: () => this.#tellMicrophone(),
      onGivenBack: () => this.#voice.refresh(),
    });
    this.#frames = new NewestFrame({
      get: () => this.#client.frame(this.#location),
      show: (picture, facts) => this.#over || this.#tell("frame", { ...facts, picture }),
    });
  }

  /** @returns {import("./call-state.js").CallState} */
  get state() {
    return this.#state;
  }

  /**
   * @typedef {{location: string, seq: number, muted: boolean, cameraOn: boolean}} Ticket brings a person back into a
   *   call; whoever has it can take the call over
   * @returns {Ticket | undefined} undefined before there is a session, and after the end
   */
  get ticket() {
    if (!this.#location || this.#over) return undefined;
    const { muted, cameraOn } = this.#state;
    return { location: this.#location, seq: this.#events.seq, muted, cameraOn };
  }

  /**
   * How loud it is at this moment.
   * @param {"microphone" | "voice"} name
   * @returns {import("./sound.js").Level | undefined}
   */
  level(name) {
    return this.#devices.level(name);
  }

  // Before and into the call

  /**
   * How to begin; each of it can be changed later.
   * @param {{microphoneId?: string, cameraId?: string, facing?: "user" | "environment", camera?: boolean,
   *   speakerId?: string, halfDuplex?: boolean, muted?: boolean}} choices
   */
  prefer(choices) {
    this.#devices.prefer(choices);
    this.chooseSpeaker(choices.speakerId ?? "");
    this.setHalfDuplex(choices.halfDuplex ?? false);
    this.setMuted(choices.muted ?? false);
  }

  /** Inside a tap: open the devices and show them, before any call. A failure is told, and can be tried again. */
  async look() {
    this.#report({ type: "look" });
    try {
      this.#unlock();
      const config = this.#client.clientConfig().catch(() => undefined); // starting will tell
      await this.#openDevices("looked", config);
    } catch (problem) {
      this.#report({ type: "refused", failure: failureOf(problem) });
    }
  }

  /** Inside a tap: open the devices and connect. Whatever goes wrong ends the call with a sentence. */
  async start() {
    await this.#begin((leg) =>
      leg.begin(async (offer) => {
        const created = await this.#client.create(offer);
        this.#sessionIs(created.location, 0);
        return created;
      }),
    );
  }

  /**
   * Go on with a call of this person: after a reload, or from another tab.
   * @param {Ticket} ticket
   */
  async resume({ location, seq }) {
    await this.#begin((leg) => {
      this.#sessionIs(location, seq);
      return leg.join(location);
    });
  }

  async #begin(connect) {
    if (this.#begun || this.#over) return;
    this.#begun = true;
    this.#report({ type: "start" }); // first: whatever fails from here on ends the call, and is said
    try {
      this.#unlock();
      const asked = this.#client.clientConfig();
      const [config, iceServers] = await Promise.all([
        asked,
        this.#client.iceServers(),
        this.#openDevices("devices", asked),
      ]);
      if (this.#over) return;
      this.#parts.wakeLock.hold();
      this.#leg = this.#newLeg(config, iceServers);
      await connect(this.#leg);
    } catch (problem) {
      this.#finish(failureOf(problem));
    }
  }

  async #openDevices(reported, config) {
    if (!this.#parts.RTCPeerConnection) throw new DeviceProblem("This browser cannot make calls.", "unsupported");
    const found = await this.#devices.open(config.then((known) => known?.video.allowed ?? true));
    if (!found || this.#over) return;
    this.#report({ type: reported, ...found });
    this.#watchAround();
  }

  #unlock() {
    const { userActivation } = this.#parts.browser.navigator;
    if (userActivation && !userActivation.hasBeenActive) return; // a reloaded page; the first tap comes to `hear`
    this.#devices.unlock();
    this.#voice.unlock();
  }

  // In the call

  /** @param {boolean} muted the person wants to be heard no more, or again */
  setMuted(muted) {
    this.#devices.setMuted(muted);
  }

  /** @param {boolean} on the person wants to be seen, or not */
  async setCamera(on) {
    await this.#devices.setCamera(on);
  }

  /** The person wants the other camera. */
  async flip() {
    await this.#devices.flip();
  }

  /** @param {string} id of a camera of the inventory */
  async chooseCamera(id) {
    await this.#devices.chooseCamera(id);
  }

  /** @param {string} id of a microphone of the inventory */
  async chooseMicrophone(id) {
    await this.#devices.chooseMicrophone(id);
  }

  /** @param {string} id of a speaker of the inventory; empty for the system's own */
  chooseSpeaker(id) {
    this.#voice.choose(id);
  }

  /** @param {boolean} on the microphone waits while the model speaks: for loudspeakers without echo cancelling */
  setHalfDuplex(on) {
    this.#devices.setHalfDuplex(on);
  }

  /** @param {string} text said to the model in writing */
  sendText(text) {
    this.#say("send-text", { content: text });
  }

  /** Inside a tap: let the browser play the model's voice, where it has refused to. */
  hear() {
    if (this.#leg) this.#unlock();
  }

  /** The person wants to end the call. */
  end() {
    this.#finish(BY_USER);
  }

  /** The page goes away, or gives the call to another tab: the gateway keeps the conversation for a while. */
  leave({ moved = false } = {}) {
    this.#finish(moved ? MOVED : LEFT, { tellGateway: false });
  }

  // Around the page

  #watchAround() {
    this.#stopWatching ??= watch(this.#parts.browser, {
      shown: () => this.#shown(),
      offline: () => this.#network(false),
      online: () => this.#network(true),
      otherNetwork: () => this.#leg?.hurry(),
      devices: () => this.#devices.tellDevices(),
    });
    this.#clock.clearTimeout(this.#timer);
    this.#tick();
  }

  #shown() {
    this.#devices.shown();
    this.#voice.play();
    this.#events?.hurry();
    this.#leg?.doubt(); // the network may have changed while the page slept
  }

  #network(online) {
    this.#report({ type: "network", online });
    if (!online) return this.#leg?.doubt();
    this.#events?.hurry();
    this.#leg?.hurry();
  }

  #tick() {
    this.#timer = this.#clock.setTimeout(() => this.#tick(), TICK_MS);
    const nowMs = this.#clock.nowMs();
    this.#devices.feed(nowMs, this.#turn === "speaking");
    this.#ticks += 1;
    if (this.#ticks % TICKS_OF_STATS === 0) this.#readStats(nowMs);
  }

  async #readStats(nowMs) {
    const report = await this.#leg?.stats();
    if (!report || this.#over || this.#state.phase !== "live") return;
    const { facts, reading } = read(report.values(), nowMs, this.#reading);
    if (this.#reading) this.#tell("quality", { ...this.#quality.feed(facts), facts });
    this.#reading = reading;
  }

  // The legs

  #newLeg(config, iceServers) {
    return new PeerLeg({
      ...this.#parts,
      media: this.#devices,
      iceServers,
      pictureLimits: { fpsMax: config.video.fps_max, sizePx: config.video.size_px },
      hasVideo: this.#state.hasVideo,
      onVoice: (track) => this.#heardVoice(track),
      onLost: (moves) => this.#report({ type: "peer", connected: false, reason: moves ? MOVES : LOST }),
      onBack: () => this.#isBack(),
      onStream: () => this.#notice("stream", STREAM, "info"),
      onGivenUp: (problem) => this.#finish(problem ? GONE : TOO_LONG, { tellGateway: !problem }),
    });
  }

  #heardVoice(track) {
    this.#voice.attach(track);
    this.#devices.voiceIs(track);
    this.#tell("voice", { track });
  }

  #isBack() {
    this.#reading = undefined;
    this.#quality.reset();
    this.#report({ type: "peer", connected: true });
    this.#tellMicrophone();
  }

  #sessionIs(location, seenSeq) {
    this.#location = location;
    if (this.#over) return this.#endSession();
    this.#events = this.#openEvents(seenSeq);
    this.#tell("session", { location });
  }

  #openEvents(seenSeq) {
    const { WebSocket, gatewayUrl } = this.#parts;
    const url = new URL(`${this.#location}/events`, gatewayUrl);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return new EventStream({
      url: url.href,
      protocols: this.#client.subprotocols,
      seenSeq,
      WebSocket,
      clock: this.#clock,
      exists: () => this.#client.exists(this.#location),
      onMessage: (message, isPast) => this.#heard(message, isPast),
      onOver: () => this.#finish(GONE, { tellGateway: false }),
    });
  }

  // What the gateway says

  #heard(message, isPast) {
    const captions = withMessage(this.#captions, message);
    if (captions !== this.#captions) {
      this.#captions = captions;
      this.#tell("captions", { entries: captions.entries, running: running(captions) });
    }
    const turn = turnAfter(this.#turn, message);
    if (turn !== this.#turn) this.#tell("turn", { turn });
    this.#turn = turn;
    this.#tell("message", { message, isPast });
    if (!isPast) this.#heardNow(message);
  }

  #heardNow({ type, data }) {
    if (type === "error") this.#notice(data.code, data.message, "error");
    if (type === "server-message") this.#heardFact(data);
    if (type === "llm-function-call") this.#called(data);
  }

  #heardFact(fact) {
    if (fact.type === "frame") this.#frames.announce(fact);
    if (fact.type === "video_wish") this.#leg?.limitPictures(fact.fps);
    if (fact.type === "notice") this.#notice(fact.code, fact.text, fact.level);
    if (fact.type === "limits") this.#tell("limits", fact);
    if (fact.type === "move") this.#leg?.move();
    if (fact.type === "unheard") this.#leg?.doubt({ isUnheard: true });
    if (fact.type === "state") this.#heardState(fact);
  }

  #heardState(fact) {
    if (fact.state === "ended") return this.#finish(ended(fact), { tellGateway: false });
    this.#report({ type: "gateway", state: fact.state, reason: fact.reason });
    if (fact.state === "live") this.#leg?.settled();
    if (fact.code === "moved") this.#leg?.move();
    else if (fact.state === "reconnecting") this.#leg?.doubt({ isUnheard: true });
  }

  async #called({ function_name: name, tool_call_id: id, args }) {
    const result = await resultOf(this.#parts.functions, name, args);
    this.#say("llm-function-call-result", { function_name: name, tool_call_id: id, arguments: args, result }, id);
  }

  /** That silence is wanted, or not: a new peer counts as heard until it says so. */
  #tellMicrophone() {
    const message = { type: "trackStatus", receiver_index: MICROPHONE, ...this.#devices.microphoneStatus };
    this.#send({ type: "signalling", message });
  }

  #say(type, data, id = `said-${(this.#said += 1)}`) {
    this.#send({ type, id, data });
  }

  #send(message) {
    if (!this.#over) this.#events?.send({ label: "rtvi-ai", ...message });
  }

  #notice(code, text, level) {
    this.#tell("notice", { code, text, level });
  }

  // The end

  #finish(failure, { tellGateway = true } = {}) {
    if (this.#over) return;
    this.#over = true;
    this.#devices.close();
    this.#leg?.close();
    this.#events?.close();
    this.#voice.close();
    this.#stopWatching?.();
    this.#clock.clearTimeout(this.#timer);
    this.#parts.wakeLock.release();
    if (tellGateway && this.#location) this.#endSession();
    this.#report({ type: "end", failure });
  }

  #endSession() {
    // When this does not arrive, the gateway ends the session itself once its grace is over.
    this.#client.end(this.#location).catch(() => {});
  }

  #report(event) {
    const before = this.#state;
    this.#state = after(before, event);
    this.#tell("state", { state: this.#state, before });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
