// Owns the page as a whole: what is shown of a call, and which taps and keys ask for what. It must not know devices,
// peers or the gateway: everything comes from the events of a call and goes back by its methods.
// Invariant: whatever the page shows of a call came from the last thing the call said; no tap is lost: what cannot be
// done yet is disabled, and what fails is said.

import { possible, words } from "./call-state.js";
import { consentWords } from "./consent.js";
import { elementsOf, offer, press, say, setText } from "./elements.js";
import { EventLog } from "./event-log.js";
import { failureOf } from "./failures.js";
import { Keys } from "./keys.js";
import { CaptionList } from "./page-captions.js";
import { Details } from "./page-details.js";
import { Notices } from "./page-notices.js";
import { Stage } from "./page-stage.js";

const FIRST_WORDS = "Your camera appears here.";
const CAMERA_OFF = "Your camera is off: the model sees nothing new.";
const TITLE = { idle: "Talk and show", permission: "Talk and show", ended: "The call has ended" };
const NO_CALL = "The call did not begin";
const TAKES_SPACE = "button, select, input, textarea, a, summary, dialog[open] *";
const PAUSED = "Video paused by the gateway"; // a notice says why
const STARVED = "Video paused to protect your voice";
const FLOOR_DB = -70; // of the meter
const LAST_MINUTE_S = 60;

/**
 * @typedef {object} Wishes what a person asks for
 * @property {() => void} start
 * @property {() => void} look
 * @property {() => void} take the call of another tab
 * @property {(changed: object) => void} choose to be remembered
 */

/** The call page. */
export class Page {
  #elements;
  #clock;
  #stage;
  #captions;
  #notices;
  #details;
  #keys = new Keys();
  #log;
  #wishes;
  #call;
  #config;
  #location;
  #isUnheard = false; // nothing comes from the microphone
  #isReady = false;
  #pausedByGateway = false;
  #pictureStarved = false;
  #endsAtMs; // of the session
  #retryAtMs;

  /**
   * @param {Document} document
   * @param {{nowMs: () => number, now: () => Date, setTimeout: Function}} clock
   */
  constructor(document, clock) {
    this.#clock = clock;
    this.#elements = elementsOf(document);
    this.#stage = new Stage(this.#elements, clock);
    this.#captions = new CaptionList(this.#elements.captions);
    this.#notices = new Notices(this.#elements.notices, clock);
    this.#details = new Details(this.#elements, clock);
    this.#eachSecond();
    this.#eachFrame();
  }

  /** The element that plays the voice. */
  get audio() {
    return this.#elements.voice;
  }

  /** @param {Wishes} wishes */
  onWish(wishes) {
    this.#wishes = wishes;
    const e = this.#elements;
    const tap = (element, action) => element.addEventListener("click", () => this.#answer(action));
    tap(e.start, wishes.start);
    tap(e.look, wishes.look);
    tap(e.take, wishes.take);
    tap(e.hear, () => this.#call.hear());
    tap(e.mute, () => this.#call.setMuted(!this.#call.state.muted));
    tap(e.camera, () => this.#switchCamera());
    tap(e.flip, () => this.#call.flip());
    tap(e.end, () => this.#call.end());
    tap(e.eventsSave, () => this.#save());
    this.#onChoice(e.microphoneChoice, (id) => this.#call.chooseMicrophone(id), "microphoneId");
    this.#onChoice(e.cameraChoice, (id) => this.#call.chooseCamera(id), "cameraId");
    this.#onChoice(e.speakerChoice, (id) => this.#call.chooseSpeaker(id), "speakerId");
    e.halfDuplex.addEventListener("change", () => {
      this.#call.setHalfDuplex(e.halfDuplex.checked);
      wishes.choose({ halfDuplex: e.halfDuplex.checked });
    });
    e.say.addEventListener("submit", (event) => this.#sayText(event));
    for (const type of ["keydown", "keyup"]) document.addEventListener(type, (event) => this.#key(event));
  }

  /** @param {boolean} isReady whether a call can be begun now; before the first word on it no button can be tapped */
  ready(isReady) {
    this.#isReady = isReady;
    delete document.body.dataset.loading;
    for (const name of ["look", "detailsOpen"]) this.#elements[name].disabled = false;
    this.#countDown();
  }

  /**
   * Show this call from now on.
   * @param {import("./call.js").Call} call
   * @param {object} choices made before
   */
  follow(call, choices) {
    this.#call = call;
    this.#log = new EventLog(this.#clock);
    this.#location = this.#endsAtMs = this.#retryAtMs = undefined;
    this.#isUnheard = false;
    this.#stage.clear();
    this.#captions.show([]);
    this.#notices.clear();
    this.#details.clear(this.#log);
    this.#videoPaused({ gateway: false, starved: false });
    this.note("");
    say(this.#elements.function, "");
    this.#elements.halfDuplex.checked = choices.halfDuplex ?? false;
    const handlers = {
      state: ({ state }) => this.#state(state),
      devices: (devices) => this.#devices(devices),
      microphone: (verdict) => this.#microphone(verdict),
      blocked: ({ blocked }) => (this.#elements.unlock.hidden = !blocked),
      session: ({ location }) => this.#session(location),
      captions: ({ entries, running }) => this.#said(entries, running),
      turn: ({ turn }) => this.#stage.turn(turn),
      frame: (facts) => this.#stage.frame(facts),
      notice: (notice) => this.#notice(notice),
      limits: (limits) => this.#limits(limits),
      quality: (quality) => this.#quality(quality),
      message: ({ message }) => this.#message(message),
    };
    for (const [type, handler] of Object.entries(handlers)) {
      call.addEventListener(type, (/** @type {CustomEvent} */ { detail }) => handler(detail));
    }
    this.#state(call.state);
  }

  /** @param {import("./http.js").ClientConfig} config @param {string} host */
  consent(config, host) {
    this.#config = config;
    setText(this.#elements.consent, consentWords(config, host));
    this.#notices.dismiss("gateway");
    this.#details.gateway(config);
  }

  /** @param {{reason: string, next: string}} failure that is not of a call */
  problem({ reason, next }) {
    this.#failed("gateway", reason, next);
  }

  /** @param {boolean} elsewhere another tab has a call */
  elsewhere(elsewhere) {
    this.#elements.elsewhere.hidden = !elsewhere;
  }

  /** @param {string} text the model keeps this in sight; empty takes it away */
  note(text) {
    say(this.#elements.note, text);
  }

  // What the call tells

  #state(state) {
    const e = this.#elements;
    const { phase } = state;
    document.body.dataset.phase = phase;
    e.state.dataset.state = phase;
    e.state.dataset.online = state.online;
    const line = words(state);
    if (line !== e.state.textContent) this.#log.add("call", line);
    setText(e.state, line);
    const can = possible(state);
    for (const name of ["start", "look", "mute", "camera", "flip", "end"]) e[name].hidden = !can[name];
    press(e.mute, state.muted);
    press(e.camera, state.cameraOn);
    const inCall = can.end && phase !== "permission";
    e.turn.hidden = phase !== "live";
    e.mic.hidden = !state.devicesOpen || inCall || phase === "ended";
    e.quality.hidden = e.quality.hidden || phase !== "live" || !state.online;
    this.#stage.hold(state.held);
    this.#stage.without(state.cameraOn ? "" : state.devicesOpen ? CAMERA_OFF : FIRST_WORDS);
    setText(e.cardTitle, phase === "ended" && !this.#location ? NO_CALL : (TITLE[phase] ?? ""));
    say(e.next, state.next);
    this.#placeDevices(inCall);
    if (phase === "ended") this.#ended(state);
  }

  /** The choice of devices stands before the call on the card, in the call among the details. */
  #placeDevices(inCall) {
    const { devices, devicesHere, card, look } = this.#elements;
    const place = inCall ? devicesHere : card;
    if (devices.parentElement !== place) place.insertBefore(devices, inCall ? null : look);
  }

  #ended({ retryAfterS }) {
    this.#retryAtMs = retryAfterS && this.#clock.nowMs() + retryAfterS * 1000;
    this.#endsAtMs = undefined;
    this.#elements.timeLeft.hidden = true;
    this.#elements.seen.hidden = true;
    this.#videoPaused({ gateway: false, starved: false });
    this.#countDown();
  }

  #devices({ microphone, camera, facing, inventory }) {
    const e = this.#elements;
    this.#stage.selfView(camera, facing);
    const { microphones, cameras, speakers } = inventory;
    e.microphone.hidden = microphones.length < 2; // one is no choice
    e.whichCamera.hidden = cameras.length < 2;
    e.speaker.hidden = speakers.length < 2 || !("setSinkId" in e.voice);
    offer(e.microphoneChoice, named(microphones, "Microphone"), microphone?.getSettings().deviceId ?? "");
    offer(e.cameraChoice, named(cameras, "Camera"), camera?.getSettings().deviceId ?? "");
    offer(e.speakerChoice, named(speakers, "Speaker"), e.voice.sinkId || speakers[0]?.id || "");
    const facingMode = camera?.getSettings().facingMode;
    if (facingMode) this.#wishes.choose({ facing: facingMode, cameraId: undefined });
  }

  #microphone({ code, words }) {
    setText(this.#elements.micWords, words);
    this.#isUnheard = code === "nothing";
    this.#tellUnheard();
  }

  /** Before the call the card says so. */
  #tellUnheard() {
    const { textContent: text } = this.#elements.micWords;
    if (this.#isUnheard && this.#location) this.#notices.show({ code: "unheard", text, level: "warning" });
    else this.#notices.dismiss("unheard");
  }

  #session(location) {
    this.#location = location;
    document.documentElement.dataset.call = location; // where a test of the page finds it
    this.#details.session(location);
    this.#tellUnheard();
  }

  #said(entries, running) {
    this.#captions.show(entries);
    say(this.#elements.function, running.length ? `Hold on, using ${running.join(", ")}` : "");
  }

  #notice(notice) {
    this.#notices.show(notice);
    if (notice.code === "video_resumed") this.#notices.dismiss("video_paused");
  }

  #limits({ left_s: leftS, video }) {
    this.#videoPaused({ gateway: video === false && this.#config?.video.allowed === true });
    this.#endsAtMs = typeof leftS === "number" ? this.#clock.nowMs() + leftS * 1000 : undefined;
    this.#countDown();
  }

  #quality(quality) {
    const { quality: chip } = this.#elements;
    chip.hidden = !this.#call.state.online;
    chip.dataset.quality = quality.code;
    setText(chip, quality.words);
    this.#videoPaused({ starved: quality.pictureStarved && this.#call.state.cameraOn });
    this.#details.quality(quality);
  }

  #message(message) {
    const entry = this.#log.message(message);
    this.#details.event(entry);
    if (message.type !== "server-message") return;
    if (message.data.type === "frame") this.#details.seen();
    this.#details.fact(message.data);
  }

  #videoPaused({ gateway = this.#pausedByGateway, starved = this.#pictureStarved }) {
    this.#pausedByGateway = gateway;
    this.#pictureStarved = starved;
    say(this.#elements.videoPaused, starved ? STARVED : gateway ? PAUSED : "");
  }

  // What the person does

  /** Inside a tap. */
  async #answer(action) {
    try {
      await action();
    } catch (problem) {
      const { reason, next } = failureOf(problem);
      this.#failed("page", reason, next);
    }
  }

  #failed(code, reason, next) {
    this.#notices.show({ code, text: `${reason} ${next}`, level: "error" });
  }

  #switchCamera() {
    const on = !this.#call.state.cameraOn;
    this.#call.setCamera(on);
    this.#wishes.choose({ camera: on });
  }

  #onChoice(select, apply, name) {
    select.addEventListener("change", () => {
      apply(select.value);
      this.#wishes.choose({ [name]: select.value });
    });
  }

  #sayText(event) {
    event.preventDefault();
    const { sayText } = this.#elements;
    const text = sayText.value.trim();
    if (text) this.#call.sendText(text);
    sayText.value = "";
  }

  #key(event) {
    const can = possible(this.#call.state);
    const action = this.#keys.feed(event, {
      nowMs: this.#clock.nowMs(),
      isTaken: event.target.matches?.(TAKES_SPACE) ?? false,
      canMute: can.mute,
      muted: this.#call.state.muted,
      detailsOpen: this.#details.isOpen,
      canEnd: can.end,
    });
    if (!action) return;
    event.preventDefault();
    if (action === "close") this.#details.close();
    else if (action === "to-end") this.#elements.end.focus();
    else this.#call.setMuted(action === "mute");
  }

  #save() {
    const text = this.#log.asFile({
      location: this.#location,
      gateway: this.#config,
      browser: navigator.userAgent,
      numbers: this.#details.numbers,
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "call-events.json";
    link.click();
    this.#clock.setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // Time

  #eachSecond() {
    this.#stage.age();
    this.#countDown();
    this.#clock.setTimeout(() => this.#eachSecond(), 1000);
  }

  #eachFrame() {
    this.#stage.voice(this.#call?.level("voice"));
    if (!this.#elements.mic.hidden) this.#showMicrophone(this.#call.level("microphone"));
    requestAnimationFrame(() => this.#eachFrame());
  }

  #showMicrophone(level) {
    const share = level ? Math.max(0, 1 - level.peakDb / FLOOR_DB) : 0;
    this.#elements.micLevel.style.transform = `scaleX(${share.toFixed(3)})`;
  }

  #countDown() {
    const nowMs = this.#clock.nowMs();
    const { retry, start, timeLeft } = this.#elements;
    const waitS = Math.max(0, Math.ceil(((this.#retryAtMs ?? nowMs) - nowMs) / 1000));
    say(retry, waitS ? `You can try again in ${waitS} s.` : "");
    start.disabled = !this.#isReady || waitS > 0;
    if (this.#endsAtMs === undefined) return;
    const leftS = Math.max(0, Math.round((this.#endsAtMs - nowMs) / 1000));
    timeLeft.dataset.last = String(leftS <= LAST_MINUTE_S);
    say(timeLeft, `${Math.floor(leftS / 60)}:${String(leftS % 60).padStart(2, "0")} left`);
  }
}

function named(devices, kind) {
  return devices.map(({ id, label }, index) => ({ value: id, label: label || `${kind} ${index + 1}` }));
}
