// Owns the pictures of a stream: taken off a track, no larger and no more often than the model looks, and cut into parts.
// It must not know sockets, nor decide when a part may go.
// Invariant: one picture is being sent at a time, whole or not at all; the next is taken when it has gone.

import { PART_BYTES } from "./allotment.js";

const QUALITY = 0.7; // 20 to 40 KB at 512 pixels, and the print on a label can be read

/** The camera of one stream. */
export class StreamCamera {
  #document;
  #MediaStream;
  #video;
  #canvas;
  #track;
  #sizePx = 0;
  #fps = 0;
  #takenMs = -Infinity;
  #isTaking = false;
  /** @type {Uint8Array[]} */
  #parts = [];
  #generation = 0;
  framesSent = 0;
  /** @type {{width: number, height: number} | undefined} of the newest picture */
  size;

  /** @param {{document: Document, MediaStream: typeof MediaStream}} dependencies */
  constructor({ document, MediaStream }) {
    this.#document = document;
    this.#MediaStream = MediaStream;
  }

  /** @param {MediaStreamTrack | undefined} track undefined while the camera is off */
  show(track) {
    this.#track = track;
    this.drop();
    if (!track) return;
    this.#video ??= Object.assign(this.#document.createElement("video"), { muted: true, playsInline: true });
    this.#canvas ??= this.#document.createElement("canvas");
    this.#video.srcObject = new this.#MediaStream([track]);
    this.#video.play().catch(() => {}); // without it there are no pictures; the call goes on
  }

  /** @param {{sizePx?: number, fpsMax: number}} limits */
  limit({ sizePx = this.#sizePx, fpsMax }) {
    this.#sizePx = sizePx;
    this.#fps = fpsMax;
    if (!fpsMax) this.drop();
  }

  /** Take a picture when it is time for one and the last has gone; to be called often. */
  take(nowMs) {
    const isDue = this.#fps > 0 && nowMs - this.#takenMs >= 1000 / this.#fps - 20;
    if (!this.#track || !isDue || this.#parts.length || this.#isTaking || !this.#video.videoWidth) return;
    this.#takenMs = nowMs;
    this.#isTaking = true;
    this.#draw();
    const generation = this.#generation;
    this.#canvas.toBlob((blob) => this.#cut(blob, generation), "image/jpeg", QUALITY);
  }

  /** @returns {{bytes: Uint8Array, more: boolean} | undefined} the next part */
  nextPart() {
    const bytes = this.#parts.shift();
    if (!bytes) return undefined;
    const more = this.#parts.length > 0;
    if (!more) this.framesSent += 1;
    return { bytes, more };
  }

  get hasParts() {
    return this.#parts.length > 0;
  }

  /** What has not gone of a picture never does. */
  drop() {
    this.#parts = [];
    this.#generation += 1;
  }

  /** Let go of everything. */
  close() {
    this.show(undefined);
    if (this.#video) this.#video.srcObject = null;
  }

  #draw() {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, this.#sizePx / Math.max(videoWidth, videoHeight));
    const size = { width: Math.round(videoWidth * scale), height: Math.round(videoHeight * scale) };
    Object.assign(this.#canvas, size);
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, size.width, size.height);
    this.size = size;
  }

  async #cut(blob, generation) {
    const bytes = blob ? new Uint8Array(await blob.arrayBuffer()) : new Uint8Array(0);
    this.#isTaking = false;
    if (generation !== this.#generation) return; // it was dropped meanwhile
    for (let at = 0; at < bytes.length; at += PART_BYTES) this.#parts.push(bytes.subarray(at, at + PART_BYTES));
  }
}
