// Owns how much of pictures may be on its way while sound is. It must not know sockets, pictures or clocks.
// Invariant: the longer sound takes than it has to, the less; none when it takes much longer, until it has not for a
// while. `isOver` as soon as the socket holds more than `BUFFERED_MAX_BYTES`.

const EASY_MS = 60; // sound that takes so much longer than it has to is not late: two parts of a picture before it
const LATE_MS = 130;
const CUT_MS = 200; // until what a cut has brought is seen: lateness, and a way there and back
const CALM_MS = 2_000; // without lateness, before a picture is tried again
const PARTS_MAX = 16; // one before each block of sound, over a way there and back of half a second
const BUFFERED_MAX_BYTES = 64 * 1024;

/** The allotment of one camera, in parts of `PART_BYTES`. */
export class Allotment {
  /** @type {number[]} for each part on its way, the number of the block of sound that follows it */
  #onTheirWay = [];
  #parts = 1;
  #lateMs = -Infinity; // when sound last was late, or the socket full
  #cutMs = -Infinity; // when there last was less for it

  /** Whether another part may go. */
  get hasRoom() {
    return this.#onTheirWay.length < Math.floor(this.#parts);
  }

  /** Whether pictures are held back altogether. */
  get isShut() {
    return this.#parts < 1;
  }

  /** Whether what waits in the socket is so much that pictures have to go. */
  isOver(bufferedBytes, nowMs) {
    if (bufferedBytes <= BUFFERED_MAX_BYTES) return false;
    this.#parts = 0;
    this.#lateMs = nowMs;
    return true;
  }

  /** A part goes; the block of this number is the next to be said. */
  sent(nextSeq) {
    this.#onTheirWay.push(nextSeq);
  }

  /** Sound up to this number has arrived, so much later than need be. */
  heard(seq, lateMs, nowMs) {
    const before = this.#onTheirWay.length;
    this.#onTheirWay = this.#onTheirWay.filter((after) => after > seq);
    const arrived = before - this.#onTheirWay.length;
    if (lateMs > LATE_MS) {
      this.#lateMs = nowMs;
      if (nowMs - this.#cutMs <= CUT_MS) return;
      this.#cutMs = nowMs;
      this.#parts = this.#parts < 2 ? 0 : this.#parts / 2;
    } else if (lateMs <= EASY_MS && arrived) {
      this.#parts = Math.min(PARTS_MAX, this.#parts + arrived / this.#parts);
    } else if (this.#parts < 1 && nowMs - this.#lateMs > CALM_MS) {
      this.#parts = 1;
    }
  }

  /** Another socket. */
  begin() {
    this.#onTheirWay = [];
    this.#parts = Math.min(this.#parts, 1);
  }
}

export const PART_BYTES = 4096; // 80 ms of a way of 400 kbit/s
