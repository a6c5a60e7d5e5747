// Owns the statistics of measurements. It must not know what was measured.
// Invariant: what cannot be told from too few values is undefined, never a guess.

/**
 * @param {number[]} values
 * @returns {number | undefined}
 */
export function mean(values) {
  return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;
}

/**
 * By linear interpolation between the nearest values.
 * @param {number[]} values
 * @param {number} share 0.5 for the median
 * @returns {number | undefined}
 */
export function quantile(values, share) {
  if (!values.length) return undefined;
  const ordered = [...values].sort((left, right) => left - right);
  const at = (ordered.length - 1) * share;
  const below = Math.floor(at);
  const above = Math.min(below + 1, ordered.length - 1);
  return ordered[below] + (ordered[above] - ordered[below]) * (at - below);
}

/**
 * The straight line through points by least squares, and how sure its slope is.
 * @param {number[]} xs
 * @param {number[]} ys
 * @returns {{slope: number, intercept: number, slopeError: number} | undefined} `slopeError` is the standard error;
 *   undefined with fewer than three points, or when all have the same x
 */
export function fit(xs, ys) {
  if (xs.length < 3) return undefined;
  const [middleX, middleY] = [mean(xs), mean(ys)];
  let [spread, together] = [0, 0];
  xs.forEach((x, index) => {
    spread += (x - middleX) ** 2;
    together += (x - middleX) * (ys[index] - middleY);
  });
  if (spread === 0) return undefined;
  const slope = together / spread;
  const intercept = middleY - slope * middleX;
  const left = xs.reduce((sum, x, index) => sum + (ys[index] - intercept - slope * x) ** 2, 0);
  return { slope, intercept, slopeError: Math.sqrt(left / (xs.length - 2) / spread) };
}

/**
 * The straight line through points by the median of all slopes between two of them (Theil and Sen), which a few points
 * that lie elsewhere do not turn.
 * @param {number[]} xs rising
 * @param {number[]} ys
 * @returns {{slope: number, low: number, high: number} | undefined} between `low` and `high` it is in nineteen of
 *   twenty cases, whatever the distribution; undefined with fewer than three points
 */
export function theilSen(xs, ys) {
  const count = xs.length;
  if (count < 3) return undefined;
  const slopes = xs.flatMap((x, index) => xs.slice(index + 1).map((later, on) => (ys[index + 1 + on] - ys[index]) / (later - x)));
  slopes.sort((left, right) => left - right);
  // Kendall's statistic has this spread; by it the rank is counted (Sen 1968).
  const reach = 1.96 * Math.sqrt((count * (count - 1) * (2 * count + 5)) / 18);
  const low = Math.max(0, Math.floor((slopes.length - reach) / 2));
  return { slope: quantile(slopes, 0.5), low: slopes[low], high: slopes[slopes.length - 1 - low] };
}

/**
 * What goes on growing, or shrinking: a slope that is beyond its error, and in both halves too. What has moved once and
 * stays is none.
 * @param {number[]} xs rising
 * @param {number[]} ys
 * @param {number} [step] by which single values may be off for no reason: no error is less than this over the whole
 * @returns {{slope: number, error: number, sure: number} | undefined} `sure` is 0 where there is doubt; undefined with
 *   fewer than six points
 */
export function growth(xs, ys, step = 0) {
  const middle = Math.floor(xs.length / 2);
  const ranges = [[0], [0, middle], [middle]];
  const [whole, ...halves] = ranges.map((range) => theilSen(xs.slice(...range), ys.slice(...range)));
  if (!whole || halves.includes(undefined)) return undefined;
  const { slope, low, high } = whole;
  const error = Math.max((high - low) / 2, step / (xs.at(-1) - xs[0]));
  const goesOn = halves.every((half) => Math.sign(half.slope) === Math.sign(slope));
  const least = Math.min(Math.abs(slope) - error, ...halves.map((half) => Math.abs(half.slope)));
  return { slope, error, sure: goesOn && least > 0 ? Math.sign(slope) * least : 0 };
}

/**
 * How much of a slope is beyond doubt: what is left of it after two standard errors, 0 when nothing is.
 * @param {{slope: number, slopeError: number} | undefined} line
 * @returns {number | undefined}
 */
export function sureSlope(line) {
  if (!line) return undefined;
  const left = Math.abs(line.slope) - 2 * line.slopeError;
  return left > 0 ? Math.sign(line.slope) * left : 0;
}

/**
 * @param {number | undefined} value
 * @param {number} digits after the point
 * @returns {number | undefined}
 */
export function round(value, digits = 0) {
  return value === undefined || !Number.isFinite(value) ? undefined : Number(value.toFixed(digits));
}
