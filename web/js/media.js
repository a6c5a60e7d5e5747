// Owns the microphone and the camera of a call, and the words for what can go wrong with them. It must not know peers,
// the gateway or the page; `mediaDevices` and the clock are given to it.
// Invariant: a device it does not use is stopped, so that its light is off; every failure has a sentence of its own and
// leaves the other device as it was.

/** @type {["microphone", "camera"]} */
const DEVICES = ["microphone", "camera"];
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 10, max: 15 } };
const USUAL_LONG_SIDE_PX = 640;
const OTHER_FACING = { user: "environment", environment: "user" };
const SILENCED_MS = 800; // browsers mute a track for a moment also when its device is only being reconfigured

/** A device that cannot be used, in a sentence. */
export class DeviceProblem extends Error {
  /**
   * @param {string} message
   * @param {string} code stable: `insecure`, `unsupported`, `not_allowed`, `not_found`, `busy`, `forbidden_device`,
   *   `device`
   */
  constructor(message, code) {
    super(message);
    this.name = "DeviceProblem";
    this.code = code;
  }
}

/**
 * What a failure of `getUserMedia` means to the person.
 * @param {string} name of the error
 * @param {"microphone" | "camera"} device
 * @returns {DeviceProblem}
 */
export function deviceProblem(name, device) {
  switch (name) {
    case "NotAllowedError":
      return new DeviceProblem(`This page may not use the ${device}.`, "not_allowed");
    case "NotFoundError":
    case "OverconstrainedError":
      return new DeviceProblem(`No ${device} was found.`, "not_found");
    case "NotReadableError":
    case "AbortError":
      return new DeviceProblem(`The ${device} is busy: another program may be using it.`, "busy");
    case "SecurityError":
      return new DeviceProblem(`The settings of this device or of this page forbid the ${device}.`, "forbidden_device");
    default:
      return new DeviceProblem(`The ${device} could not be opened (${name}).`, "device");
  }
}

/**
 * @typedef {{id: string, label: string}} Device
 * @typedef {object} Inventory what there is to choose from; labels are empty before permission was given
 * @property {Device[]} microphones
 * @property {Device[]} cameras
 * @property {Device[]} speakers empty where the browser leaves that choice to the system
 */

/** The microphone and the camera of one call. */
export class Media {
  #devices;
  #clock;
  #handlers;
  #stopped = false;
  #silencedTimers = new Map();

  /** @type {"user" | "environment"} which way the camera is wished to look */
  facing = "user";
  /** @type {string | undefined} the microphone that was chosen; the system's own otherwise */
  microphoneId;
  /** @type {string | undefined} the camera that was chosen; otherwise `facing` decides */
  cameraId;
  /** @type {MediaStreamTrack | undefined} */
  microphone;
  /** @type {MediaStreamTrack | undefined} undefined while the camera is off */
  camera;
  /** The longer side of the picture the camera was last opened with. */
  longSidePx = USUAL_LONG_SIDE_PX;

  /**
   * @param {object} dependencies
   * @param {MediaDevices | undefined} dependencies.mediaDevices undefined in an insecure context
   * @param {boolean} dependencies.isSecure whether the page is a secure context
   * @param {{setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {(device: "microphone" | "camera") => void} dependencies.onEnded a device stopped by itself
   * @param {(device: "microphone" | "camera", silenced: boolean) => void} dependencies.onSilenced the system took it
   *   away for a while (a phone call, another app), or gave it back
   */
  constructor({ mediaDevices, isSecure, clock, onEnded, onSilenced }) {
    this.#devices = mediaDevices;
    this.#clock = clock;
    this.#handlers = { onEnded, onSilenced };
    this.unavailable = mediaDevices ? undefined : withoutDevices(isSecure);
  }

  /**
   * Open the microphone and, if wanted and there is one, the camera: both in one question to the person. What is open
   * already stays as it is.
   * @param {{camera: boolean}} wanted
   * @returns {Promise<DeviceProblem | undefined>} why there is no camera although it was wanted
   */
  async open({ camera }) {
    if (this.unavailable) throw this.unavailable;
    const needsCamera = camera && !this.camera;
    if (this.microphone) return needsCamera ? this.#withoutThrowing(() => this.startCamera()) : undefined;
    if (!needsCamera) {
      this.#useMicrophone(await this.#get("microphone"));
      return undefined;
    }
    let both;
    try {
      both = await this.#ask(() => ({ audio: this.#sound(), video: this.#picture() }));
    } catch (error) {
      // The error does not say which device it is about. When the microphone opens alone, it was the camera.
      this.#useMicrophone(await this.#get("microphone"));
      return deviceProblem(error.name, "camera");
    }
    this.#useMicrophone(both.getAudioTracks()[0]);
    this.#useCamera(both.getVideoTracks()[0]);
    return undefined;
  }

  /** @returns {Promise<Inventory>} */
  async inventory() {
    const all = await this.#devices.enumerateDevices();
    const of = (wanted) =>
      all.filter(({ kind }) => kind === wanted).map(({ deviceId, label }) => ({ id: deviceId, label }));
    return { microphones: of("audioinput"), cameras: of("videoinput"), speakers: of("audiooutput") };
  }

  /** @param {boolean} heard the microphone stays open either way, so that speaking again is instant */
  setHeard(heard) {
    if (this.microphone) this.microphone.enabled = heard;
  }

  /** Another microphone; phones open only one at a time, so the old one stops first. */
  async chooseMicrophone(id) {
    this.microphoneId = id;
    await this.reopenMicrophone();
  }

  /** The microphone again: the one that was chosen, or the system's own when that is gone. */
  async reopenMicrophone() {
    this.#forget(this.microphone);
    this.microphone?.stop();
    this.microphone = undefined;
    this.#useMicrophone(await this.#get("microphone"));
  }

  /** Another camera, by its id. */
  async chooseCamera(id) {
    await this.#changeCamera({ cameraId: id, facing: this.facing });
  }

  /**
   * The camera that faces the other way, or, where cameras do not say which way they face, the next one. When it cannot
   * be opened the one before comes back, and the failure is thrown.
   */
  async flipCamera() {
    const facing = this.camera?.getSettings().facingMode;
    if (facing) {
      await this.#changeCamera({ cameraId: undefined, facing: OTHER_FACING[facing] ?? OTHER_FACING[this.facing] });
      return;
    }
    const { cameras } = await this.inventory();
    const present = cameras.findIndex(({ id }) => id === this.camera?.getSettings().deviceId);
    const next = cameras[(present + 1) % cameras.length];
    await this.#changeCamera({ cameraId: next?.id, facing: this.facing });
  }

  /** Open the camera again. */
  async startCamera() {
    this.#useCamera(await this.#get("camera"));
  }

  /** Stop the camera; its light goes off. */
  stopCamera() {
    this.#forget(this.camera);
    this.camera?.stop();
    this.camera = undefined;
  }

  /** Some phones end a track while its page is hidden and tell nobody. */
  noticeEnded() {
    for (const device of DEVICES) if (this[device]?.readyState === "ended") this.#ended(this[device], device);
  }

  /** Stop both devices, also one that is still being opened. */
  stop() {
    this.#stopped = true;
    this.#forget(this.microphone);
    this.microphone?.stop();
    this.microphone = undefined;
    this.stopCamera();
  }

  #sound() {
    return this.microphoneId ? { ...MICROPHONE, deviceId: { exact: this.microphoneId } } : MICROPHONE;
  }

  #picture() {
    if (this.cameraId) return { ...PICTURE, deviceId: { exact: this.cameraId } };
    return { ...PICTURE, facingMode: this.facing };
  }

  async #changeCamera({ cameraId, facing }) {
    const before = { cameraId: this.cameraId, facing: this.facing };
    this.stopCamera();
    Object.assign(this, { cameraId, facing });
    const problem = await this.#withoutThrowing(() => this.startCamera());
    if (!problem) return;
    Object.assign(this, before);
    await this.#withoutThrowing(() => this.startCamera()); // if that one is gone too, the camera is off
    throw problem;
  }

  async #withoutThrowing(action) {
    try {
      await action();
    } catch (problem) {
      return problem;
    }
    return undefined;
  }

  async #get(device) {
    try {
      const stream = await this.#ask(() => (device === "camera" ? { video: this.#picture() } : { audio: this.#sound() }));
      return stream.getTracks()[0];
    } catch (error) {
      throw deviceProblem(error.name, device);
    }
  }

  /** Ask for what is wished now; when a device that was chosen before is not there any more, for the system's own. */
  async #ask(wished) {
    try {
      return await this.#devices.getUserMedia(wished());
    } catch (error) {
      if (error.name !== "OverconstrainedError" || !(this.microphoneId || this.cameraId)) throw error;
      this.microphoneId = this.cameraId = undefined;
      return this.#devices.getUserMedia(wished());
    }
  }

  #useMicrophone(track) {
    if (this.#stopped) return track.stop();
    this.microphone = track;
    this.#watch(track, "microphone");
  }

  #useCamera(track) {
    if (this.#stopped) return track.stop();
    this.camera = track;
    track.contentHint = "detail"; // labels and print matter more than smooth motion
    const { width = 0, height = 0 } = track.getSettings();
    this.longSidePx = Math.max(width, height) || USUAL_LONG_SIDE_PX;
    this.#watch(track, "camera");
  }

  #watch(track, device) {
    track.addEventListener("ended", () => this.#ended(track, device));
    let told = false;
    const silenced = () => {
      const tell = () => {
        told = true;
        this.#handlers.onSilenced(device, true);
      };
      if (this[device] === track) this.#silencedTimers.set(track, this.#clock.setTimeout(tell, SILENCED_MS));
    };
    if (track.muted) silenced(); // opened in the middle of a phone call
    track.addEventListener("mute", silenced);
    track.addEventListener("unmute", () => {
      this.#forget(track);
      if (told && this[device] === track) this.#handlers.onSilenced(device, false);
      told = false;
    });
  }

  #ended(track, device) {
    if (this[device] !== track) return;
    this.#forget(track);
    this[device] = undefined;
    this.#handlers.onEnded(device);
  }

  #forget(track) {
    this.#clock.clearTimeout(this.#silencedTimers.get(track));
    this.#silencedTimers.delete(track);
  }
}

function withoutDevices(isSecure) {
  if (isSecure) return new DeviceProblem("This browser offers no microphone to pages.", "unsupported");
  return new DeviceProblem(
    "Browsers offer the microphone only to pages that came over HTTPS or from this very machine.",
    "insecure",
  );
}
