// Owns the time that is drawn into a picture and read back from it: 48 black and white fields, 32 bits of milliseconds
// and a checksum. It must not know cameras, canvases or clocks.
// Invariant: what cannot be read for sure is undefined: a picture that is turned, mirrored, cut or blurred is never
// mistaken for another time.

export const COLUMNS = 8;
export const ROWS = 6;
const TIME_BITS = 32;
const CELLS = COLUMNS * ROWS;
const CORE = 0.5; // of a field's side that is looked at: its edges are blurred by the coding
const CONTRAST_LEAST = 60; // of 255, between the darkest white and the brightest black field

/**
 * Which fields are white.
 * @param {number} timeMs
 * @returns {boolean[]} row by row from the top left
 */
export function fieldsOf(timeMs) {
  const time = Math.floor(timeMs) >>> 0;
  const bits = [...bitsOf(time, TIME_BITS), ...bitsOf(checksum(time), CELLS - TIME_BITS)];
  return bits;
}

/**
 * Read the time from a picture.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @returns {number | undefined} ms
 */
export function read(rgba, width, height) {
  const lumas = [];
  for (let row = 0; row < ROWS; row += 1) {
    for (let column = 0; column < COLUMNS; column += 1) lumas.push(fieldLuma(rgba, width, height, column, row));
  }
  const middle = (Math.min(...lumas) + Math.max(...lumas)) / 2;
  const white = lumas.map((luma) => luma > middle);
  const darkest = Math.min(...lumas.filter((_, cell) => white[cell]));
  const brightest = Math.max(...lumas.filter((_, cell) => !white[cell]));
  if (!(darkest - brightest >= CONTRAST_LEAST)) return undefined;
  const time = numberOf(white.slice(0, TIME_BITS));
  return numberOf(white.slice(TIME_BITS)) === checksum(time) ? time : undefined;
}

/**
 * How much time has passed since a time that was read, when it wraps after 49 days.
 * @param {number} nowMs
 * @param {number} timeMs
 * @returns {number} ms
 */
export function ageMs(nowMs, timeMs) {
  return nowMs - Math.floor(nowMs) + ((Math.floor(nowMs) - timeMs) >>> 0);
}

function fieldLuma(rgba, width, height, column, row) {
  const [fieldWidth, fieldHeight] = [width / COLUMNS, height / ROWS];
  const left = Math.round((column + (1 - CORE) / 2) * fieldWidth);
  const top = Math.round((row + (1 - CORE) / 2) * fieldHeight);
  const [right, bottom] = [left + Math.round(CORE * fieldWidth), top + Math.round(CORE * fieldHeight)];
  let [sum, count] = [0, 0];
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      const at = (y * width + x) * 4;
      sum += 0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2];
      count += 1;
    }
  }
  return sum / count;
}

function bitsOf(number, count) {
  return Array.from({ length: count }, (_, index) => ((number >>> (count - 1 - index)) & 1) === 1);
}

function numberOf(bits) {
  return bits.reduce((number, bit) => ((number << 1) | Number(bit)) >>> 0, 0);
}

/** CRC-16/CCITT-FALSE of the four bytes: 0 for none of the pictures of one colour. */
function checksum(time) {
  let crc = 0xffff;
  for (let shift = 24; shift >= 0; shift -= 8) {
    crc ^= ((time >>> shift) & 0xff) << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
