// Owns the element that plays the model's voice, against everything a browser does to silence it. It must not know
// peers or the page around the element.
// Invariant: while there is a track, every reason to think that it stopped is answered by playing again; `onBlocked`
// tells each change of whether a tap is needed.

/** Plays a track. */
export class Voice {
  #element;
  #MediaStream;
  #onBlocked;
  #blocked = false;
  #speakerId = "";

  /**
   * @param {object} dependencies
   * @param {HTMLAudioElement} dependencies.element
   * @param {typeof MediaStream} dependencies.MediaStream
   * @param {(blocked: boolean) => void} dependencies.onBlocked
   */
  constructor({ element, MediaStream, onBlocked }) {
    this.#element = element;
    this.#MediaStream = MediaStream;
    this.#onBlocked = onBlocked;
    Object.assign(element, { autoplay: true, playsInline: true }); // iOS looks at properties where scripts made it
  }

  /** Inside a tap: lets the browser play what comes later without another one. */
  unlock() {
    if (this.#element.srcObject) return this.play();
    // There is nothing to play yet, so this may be refused or interrupted; what counts comes with the track.
    this.#element.play().catch(() => {});
  }

  /** @param {MediaStreamTrack} track */
  attach(track) {
    this.#element.srcObject = new this.#MediaStream([track]);
    this.#element.onpause = () => this.play(); // iOS pauses when headphones are unplugged
    this.#useSpeaker();
    this.play();
  }

  /** Play, or learn that a tap is needed. */
  async play() {
    if (!this.#element.srcObject) return;
    try {
      await this.#element.play();
      this.#tell(false);
    } catch (error) {
      if (error.name === "NotAllowedError") this.#tell(true); // a newer track interrupts an older one: no tap needed
    }
  }

  /** After a phone call iOS may leave the volume low; a change of `muted` makes it look again. */
  refresh() {
    if (!this.#element.srcObject) return;
    this.#element.muted = true;
    this.#element.muted = false;
    this.play();
  }

  /** @param {string} id of an output device; empty for the system's own */
  choose(id) {
    this.#speakerId = id;
    this.#useSpeaker();
  }

  /** Silence. */
  close() {
    this.#element.onpause = null;
    this.#element.srcObject = null;
    this.#tell(false);
  }

  #useSpeaker() {
    // Refused when the device is gone: the system's own is heard then.
    if (this.#speakerId || this.#element.sinkId) this.#element.setSinkId?.(this.#speakerId).catch(() => {});
  }

  #tell(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.#onBlocked(blocked);
  }
}
