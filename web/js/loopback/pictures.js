// Owns what can be said of a camera's pictures by their pixels. It must not know cameras or canvases.
// Invariant: pictures are told by a small sketch of their brightness, whatever their size.

const POINTS = 24; // along each side
const BLACK = 16; // video black, of 255: what a covered lens gives is a little above
const BLACK_SPREAD = 12;
const FROZEN = 0.2; // mean change of a point: the noise of a real camera is above

/**
 * The brightness of a grid of points.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 * @returns {Float32Array}
 */
export function sketch(rgba, width, height) {
  const points = new Float32Array(POINTS * POINTS);
  for (let row = 0; row < POINTS; row += 1) {
    for (let column = 0; column < POINTS; column += 1) {
      const y = Math.floor(((row + 0.5) * height) / POINTS);
      const x = Math.floor(((column + 0.5) * width) / POINTS);
      const at = (y * width + x) * 4;
      points[row * POINTS + column] = 0.299 * rgba[at] + 0.587 * rgba[at + 1] + 0.114 * rgba[at + 2];
    }
  }
  return points;
}

/** @param {Float32Array} points */
export function isBlack(points) {
  return points.every((luma) => luma < BLACK + BLACK_SPREAD) && meanOf(points) < BLACK + BLACK_SPREAD / 2;
}

/**
 * @param {Float32Array} before
 * @param {Float32Array} after
 */
export function isFrozen(before, after) {
  return before.reduce((sum, luma, index) => sum + Math.abs(luma - after[index]), 0) / before.length < FROZEN;
}

/** @param {Float32Array} points */
export function meanOf(points) {
  return points.reduce((sum, luma) => sum + luma, 0) / points.length;
}
