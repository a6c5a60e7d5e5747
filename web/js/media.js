// Owns the microphone and the camera of a call, and the words for what can go wrong with them. It must not know peers,
// the gateway or the page; `mediaDevices` is given to it.
// Invariant: a device it does not use is stopped, so that its light is off; every failure has a sentence of its own.

const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 10, max: 15 } };
const USUAL_LONG_SIDE_PX = 640;
const OTHER_FACING = { user: "environment", environment: "user" };

/** A device that cannot be used, in a sentence. */
export class DeviceProblem extends Error {}

/**
 * What a failure of `getUserMedia` means to the person.
 * @param {string} name of the error
 * @param {"microphone" | "camera"} device
 * @returns {string}
 */
export function deviceWords(name, device) {
  switch (name) {
    case "NotAllowedError":
      return `This page may not use the ${device}: allow it in the browser's settings for this page.`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${device} was found: plug one in, or switch it on.`;
    case "NotReadableError":
    case "AbortError":
      return `The ${device} is busy: another program may be using it.`;
    case "SecurityError":
      return `The settings of this device or of this page forbid the ${device}.`;
    default:
      return `The ${device} could not be opened (${name}).`;
  }
}

/** The microphone and the camera of one call. */
export class Media {
  #devices;
  #onEnded;
  #stopped = false;

  /** @type {"user" | "environment"} which way the camera looks */
  facing = "user";
  /** @type {MediaStreamTrack | undefined} */
  microphone;
  /** @type {MediaStreamTrack | undefined} undefined while the camera is off */
  camera;
  /** The longer side of the picture the camera was last opened with. */
  longSidePx = USUAL_LONG_SIDE_PX;

  /**
   * @param {object} dependencies
   * @param {MediaDevices | undefined} dependencies.mediaDevices undefined in an insecure context
   * @param {(device: "microphone" | "camera") => void} dependencies.onEnded a device stopped by itself
   */
  constructor({ mediaDevices, onEnded }) {
    this.#devices = mediaDevices;
    this.#onEnded = onEnded;
  }

  /**
   * Open the microphone, and the camera if there is one: both in one question to the person.
   * @returns {Promise<string>} why there is no camera; empty when there is one
   */
  async open() {
    if (!this.#devices) {
      throw new DeviceProblem("Open this page over HTTPS or on localhost: elsewhere browsers offer no microphone.");
    }
    let both;
    try {
      both = await this.#devices.getUserMedia({ audio: MICROPHONE, video: this.#picture() });
    } catch (error) {
      // The error does not say which device it is about. When the microphone opens alone, it was the camera.
      this.#useMicrophone(await this.#get({ audio: MICROPHONE }, "microphone"));
      return deviceWords(error.name, "camera");
    }
    this.#useMicrophone(both.getAudioTracks()[0]);
    this.#useCamera(both.getVideoTracks()[0]);
    return "";
  }

  /** @returns {Promise<number>} how many cameras there are to choose from */
  async cameraCount() {
    const all = await this.#devices.enumerateDevices();
    return all.filter((device) => device.kind === "videoinput").length;
  }

  /** @param {boolean} muted the microphone stays open, so that speaking again is instant */
  setMuted(muted) {
    this.microphone.enabled = !muted;
  }

  /** Open the camera again. */
  async startCamera() {
    this.#useCamera(await this.#get({ video: this.#picture() }, "camera"));
  }

  /** Switch to the camera that faces the other way. Phones open only one at a time: the old one stops first. */
  async flipCamera() {
    this.stopCamera();
    this.facing = OTHER_FACING[this.facing];
    await this.startCamera();
  }

  /** Stop the camera; its light goes off. */
  stopCamera() {
    this.camera?.stop();
    this.camera = undefined;
  }

  /** Stop both devices, also one that is still being opened. */
  stop() {
    this.#stopped = true;
    this.microphone?.stop();
    this.microphone = undefined;
    this.stopCamera();
  }

  #picture() {
    return { ...PICTURE, facingMode: this.facing };
  }

  async #get(constraints, device) {
    try {
      return (await this.#devices.getUserMedia(constraints)).getTracks()[0];
    } catch (error) {
      throw new DeviceProblem(deviceWords(error.name, device));
    }
  }

  #useMicrophone(track) {
    if (this.#stopped) return track.stop();
    this.microphone = track;
    track.addEventListener("ended", () => this.#onEnded("microphone"));
  }

  #useCamera(track) {
    if (this.#stopped) return track.stop();
    this.camera = track;
    const { width = 0, height = 0 } = track.getSettings();
    this.longSidePx = Math.max(width, height) || USUAL_LONG_SIDE_PX;
    track.addEventListener("ended", () => {
      if (this.camera !== track) return;
      this.camera = undefined;
      this.#onEnded("camera");
    });
  }
}
