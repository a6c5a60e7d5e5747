// Owns what a call hears and sees with: microphone, camera, how loud it is, whether the microphone is open at this
// moment. It must not know peers, sessions or the page.
// Invariant: the microphone is heard exactly while nobody has muted it and it is not held; whichever track is in use,
// whoever sends it was told.

import { nextStep } from "./failures.js";
import { HalfDuplex } from "./half-duplex.js";
import { Media } from "./media.js";
import { MicCheck } from "./mic-check.js";
import { Sound } from "./sound.js";

const TAKEN = {
  microphone: "Your microphone is in use by a phone call or another app: the model hears nothing until it is free.",
  camera: "Your camera is in use by another app: the model sees nothing new until it is free.",
};
const GIVEN_BACK = { microphone: "Your microphone is back.", camera: "Your camera is back." };
const VOICE_ALONE = "Pictures are not part of your invitation. The call goes on with your voice alone.";
const NO_CAMERA = "The camera was unplugged or taken away: press Camera to open it again.";
const NOTHING = { microphones: [], cameras: [], speakers: [] };

/** The devices of one call. */
export class CallDevices {
  #media;
  #sound;
  #micCheck = new MicCheck();
  #halfDuplex = new HalfDuplex();
  #handlers;
  #camera = true; // wanted
  #picturesAllowed = true;
  #muted = false;
  #held = false;
  #taken = false; // the microphone, by the system
  #micCode;
  #isChanging = false;
  #closed = false;

  /**
   * @param {object} parts as of `Call`
   * @param {object} handlers
   * @param {(type: string, detail: object) => void} handlers.tell `devices`, `microphone`, `notice` (docs/embed.md)
   * @param {(event: object) => void} handlers.report `camera`, `muted`, `held` of `call-state.js`
   * @param {(track: MediaStreamTrack | undefined) => unknown} handlers.onVoiceTrack another microphone
   * @param {(track: MediaStreamTrack | undefined) => unknown} handlers.onPictureTrack another camera, or none
   * @param {() => void} handlers.onMicrophone `microphoneStatus` is another one
   * @param {() => void} handlers.onGivenBack the system gave a device back
   */
  constructor(parts, handlers) {
    const { navigator, window } = parts.browser;
    this.#handlers = handlers;
    this.#sound = new Sound(parts);
    this.#media = new Media({
      mediaDevices: navigator.mediaDevices,
      isSecure: window.isSecureContext,
      clock: parts.clock,
      onEnded: (device) => this.#ended(device),
      onSilenced: (device, silenced) => this.#silenced(device, silenced),
    });
  }

  /** @returns {MediaStreamTrack | undefined} */
  get microphone() {
    return this.#media.microphone;
  }

  /** @returns {MediaStreamTrack | undefined} undefined while the camera is off */
  get camera() {
    return this.#media.camera;
  }

  /** The longer side of the camera's picture. */
  get longSidePx() {
    return this.#media.longSidePx;
  }

  /**
   * What the gateway is to know of silence, in the words of `MediaStreamTrack`.
   * @returns {{enabled: boolean, muted: boolean}} `enabled` by the person; `muted` when the system took it away
   */
  get microphoneStatus() {
    return { enabled: !this.#muted, muted: this.#taken };
  }

  /** What plays and listens, once it was unlocked. @returns {AudioContext | undefined} */
  get audioContext() {
    return this.#sound.context;
  }

  /** How loud `microphone` or `voice` is. */
  level(name) {
    return this.#sound.level(name);
  }

  /** Inside a tap. */
  unlock() {
    this.#sound.unlock();
  }

  /** Listen to the model's voice too. */
  voiceIs(track) {
    this.#sound.listen("voice", track);
  }

  /**
   * Which devices to open, and how.
   * @param {{microphoneId?: string, cameraId?: string, facing?: "user" | "environment", camera?: boolean}} choices as
   *   of `Call.prefer`
   */
  prefer({ microphoneId, cameraId, facing = "user", camera = true }) {
    Object.assign(this.#media, { microphoneId, cameraId, facing });
    this.#camera = camera;
  }

  /**
   * Open what is not open yet.
   * @param {Promise<boolean>} picturesAllowed by the gateway; the question to the person does not wait for it
   * @returns {Promise<{cameraOn: boolean, cameraCount: number} | undefined>} undefined when it was closed meanwhile
   */
  async open(picturesAllowed) {
    const problem = await this.#media.open({ camera: this.#camera });
    this.#picturesAllowed = await picturesAllowed;
    if (this.#closed) return undefined;
    this.#sound.listen("microphone", this.microphone);
    this.#applyHeard();
    if (!this.#picturesAllowed) {
      this.#camera = false;
      this.#media.stopCamera();
      this.#notice("video_not_allowed", VOICE_ALONE, "info");
    } else if (problem) {
      this.#camera = false;
      this.#notice("no_camera", `${problem.message} The call goes on with your voice alone.`, "warning");
    }
    const { cameras } = await this.tellDevices();
    if (this.#closed) return undefined;
    return { cameraOn: this.camera !== undefined, cameraCount: cameras.length };
  }

  /** What there is, and what is in use. */
  async tellDevices() {
    const inventory = await this.#media.inventory();
    if (!this.#picturesAllowed) inventory.cameras = [];
    if (!this.#closed) this.#tellDevices(inventory);
    return inventory;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.#muted = muted;
    this.#handlers.report({ type: "muted", muted });
    this.#applyHeard();
    this.#handlers.onMicrophone();
  }

  /** @param {boolean} on the microphone waits while the model speaks */
  setHalfDuplex(on) {
    this.#halfDuplex.set(on);
    this.#hold(false);
  }

  /** @param {boolean} on */
  async setCamera(on) {
    await this.#changeCamera(() => (on ? this.#media.startCamera() : this.#media.stopCamera()));
  }

  /** The other camera. */
  async flip() {
    await this.#changeCamera(() => this.#media.flipCamera());
  }

  /** @param {string} id */
  async chooseCamera(id) {
    await this.#changeCamera(() => this.#media.chooseCamera(id));
  }

  /** @param {string} id */
  async chooseMicrophone(id) {
    await this.#changeMicrophone(() => this.#media.chooseMicrophone(id));
  }

  /**
   * To be called several times a second.
   * @param {number} nowMs
   * @param {boolean} modelSpeaks as the gateway says
   */
  feed(nowMs, modelSpeaks) {
    this.#hold(this.#halfDuplex.feed(nowMs, this.level("voice"), modelSpeaks));
    const off = this.#taken ? "taken" : this.#muted || this.#held ? "muted" : undefined;
    const verdict = this.#micCheck.feed(nowMs, this.level("microphone"), off);
    if (verdict.code !== this.#micCode) this.#handlers.tell("microphone", verdict);
    this.#micCode = verdict.code;
  }

  /** The page can be seen again: a microphone that went meanwhile can be opened now. */
  shown() {
    this.#sound.unlock();
    if (!this.microphone) this.#reopenMicrophone();
    this.#media.noticeEnded();
  }

  /** Let go of everything. */
  close() {
    this.#closed = true;
    this.#media.stop();
    this.#sound.close();
    this.#tellDevices(NOTHING);
  }

  async #changeCamera(change) {
    if (this.#isChanging) return; // a second tap while a device is being opened
    this.#isChanging = true;
    try {
      await change();
    } catch (problem) {
      this.#notice("camera", `${problem.message} ${nextStep(problem)}`, "warning");
    }
    this.#isChanging = false;
    await this.#cameraChanged();
  }

  async #cameraChanged() {
    if (this.#closed) return;
    this.#camera = this.camera !== undefined;
    const { cameras } = await this.tellDevices();
    if (this.#closed) return;
    await this.#handlers.onPictureTrack(this.camera);
    this.#handlers.report({ type: "camera", on: this.camera !== undefined, cameraCount: cameras.length });
  }

  async #changeMicrophone(change) {
    try {
      await change();
    } catch (problem) {
      this.#notice("microphone", `${problem.message} ${nextStep(problem)}`, "error");
    }
    if (this.#closed) return;
    this.#micCheck.reset();
    this.#isTaken(false);
    this.#sound.listen("microphone", this.microphone);
    this.#applyHeard();
    await this.#handlers.onVoiceTrack(this.microphone);
    await this.tellDevices();
  }

  #reopenMicrophone() {
    // The system's own may be another one now: headphones were unplugged, or a call ended on an iPhone.
    return this.#changeMicrophone(() => this.#media.reopenMicrophone());
  }

  #ended(device) {
    if (this.#closed) return;
    if (device === "microphone") return this.#reopenMicrophone();
    this.#notice("camera", NO_CAMERA, "warning");
    return this.#cameraChanged();
  }

  #silenced(device, silenced) {
    this.#notice(device, silenced ? TAKEN[device] : GIVEN_BACK[device], silenced ? "warning" : "info");
    if (device === "microphone") this.#isTaken(silenced);
    if (silenced) return;
    this.#media.noticeEnded();
    this.#handlers.onGivenBack();
  }

  #isTaken(taken) {
    if (taken === this.#taken) return;
    this.#taken = taken;
    this.#handlers.onMicrophone();
  }

  #hold(held) {
    if (held === this.#held) return;
    this.#held = held;
    this.#handlers.report({ type: "held", held });
    this.#applyHeard();
  }

  #applyHeard() {
    this.#media.setHeard(!this.#muted && !this.#held);
  }

  #tellDevices(inventory) {
    const { microphone, camera, facing } = this.#media;
    this.#handlers.tell("devices", { microphone, camera, facing, inventory });
  }

  #notice(code, text, level) {
    this.#handlers.tell("notice", { code, text, level });
  }
}
