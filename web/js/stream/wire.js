// Owns the layout of the messages of a stream (docs/protocol.md). It must not know sockets or what the numbers mean.
// Invariant: what is written is what gateway/media/stream_wire.py reads, and the other way round.

const HEADER_BYTES = 8;
const MORE = 1;

/** What a message carries. */
export const SOUND = 1;
export const PICTURE = 2;
export const VOICE = 3;
export const HEARD = 4;
export const FLUSH = 5;

export const SOUND_MS = 40;
export const SOUND_HZ = 16_000;
export const SOUND_SAMPLES = (SOUND_HZ * SOUND_MS) / 1000;
export const VOICE_MS = 20;
export const VOICE_HZ = 24_000;

/**
 * @param {number} kind
 * @param {number} seq
 * @param {ArrayBuffer | Uint8Array} [payload]
 * @param {boolean} [more] more of the same picture follows
 * @returns {ArrayBuffer}
 */
export function message(kind, seq, payload = new ArrayBuffer(0), more = false) {
  const made = new Uint8Array(HEADER_BYTES + payload.byteLength);
  const header = new DataView(made.buffer);
  header.setUint8(0, kind);
  header.setUint8(1, more ? MORE : 0);
  header.setUint32(4, seq);
  made.set(payload instanceof Uint8Array ? payload : new Uint8Array(payload), HEADER_BYTES);
  return made.buffer;
}

/**
 * @param {ArrayBuffer} data
 * @returns {{kind: number, seq: number, payload: ArrayBuffer}}
 */
export function read(data) {
  const header = new DataView(data);
  return { kind: header.getUint8(0), seq: header.getUint32(4), payload: data.slice(HEADER_BYTES) };
}
