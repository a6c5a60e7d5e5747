// Owns the fast Fourier transform. It must not know what is transformed.
// Invariant: the length is a power of two; what goes in is overwritten by what comes out.

/**
 * The transform of a complex signal, in place (Cooley and Tukey, radix 2).
 * @param {Float64Array} real
 * @param {Float64Array} imaginary
 * @param {boolean} [inverse] without the division by the length
 */
export function transform(real, imaginary, inverse = false) {
  const size = real.length;
  for (let index = 1, mirrored = 0; index < size; index += 1) {
    let bit = size >> 1;
    for (; mirrored & bit; bit >>= 1) mirrored ^= bit;
    mirrored ^= bit;
    if (index < mirrored) {
      swap(real, index, mirrored);
      swap(imaginary, index, mirrored);
    }
  }
  const [cosines, sines] = circle(size);
  for (let span = 2; span <= size; span <<= 1) {
    const [half, step] = [span >> 1, size / span];
    for (let begin = 0; begin < size; begin += span) {
      for (let turn = 0; turn < half; turn += 1) {
        const at = begin + turn;
        const other = at + half;
        const cos = cosines[turn * step];
        const sin = inverse ? sines[turn * step] : -sines[turn * step];
        const turnedReal = real[other] * cos - imaginary[other] * sin;
        const turnedImaginary = real[other] * sin + imaginary[other] * cos;
        real[other] = real[at] - turnedReal;
        imaginary[other] = imaginary[at] - turnedImaginary;
        real[at] += turnedReal;
        imaginary[at] += turnedImaginary;
      }
    }
  }
}

function swap(values, one, other) {
  const kept = values[one];
  values[one] = values[other];
  values[other] = kept;
}

let known = [new Float64Array(0), new Float64Array(0)];

/** Cosines and sines of the first half of a circle of so many parts; the last ones are kept. */
function circle(size) {
  if (known[0].length !== size >> 1) {
    const angles = Float64Array.from({ length: size >> 1 }, (_, part) => (2 * Math.PI * part) / size);
    known = [angles.map(Math.cos), angles.map(Math.sin)];
  }
  return known;
}

/**
 * How well a pattern fits into a sound at each place, unscaled: `result[i] = sum(sound[i + j] * pattern[j])`.
 * @param {Float32Array} sound
 * @param {Float32Array} pattern shorter than the sound
 * @returns {Float64Array} one value for each place at which the whole pattern fits
 */
export function correlate(sound, pattern) {
  let size = 1;
  while (size < sound.length + pattern.length) size <<= 1;
  const real = new Float64Array(size);
  const imaginary = new Float64Array(size);
  // Both are real: one transform serves for two, the sound as the real part and the pattern as the imaginary one.
  real.set(sound);
  imaginary.set(pattern);
  transform(real, imaginary);
  const productReal = new Float64Array(size);
  const productImaginary = new Float64Array(size);
  for (let at = 0; at < size; at += 1) {
    const mirror = (size - at) & (size - 1);
    const soundReal = (real[at] + real[mirror]) / 2;
    const soundImaginary = (imaginary[at] - imaginary[mirror]) / 2;
    const patternReal = (imaginary[at] + imaginary[mirror]) / 2;
    const patternImaginary = (real[mirror] - real[at]) / 2;
    productReal[at] = soundReal * patternReal + soundImaginary * patternImaginary;
    productImaginary[at] = soundImaginary * patternReal - soundReal * patternImaginary;
  }
  transform(productReal, productImaginary, true);
  return productReal.subarray(0, sound.length - pattern.length + 1).map((value) => value / size);
}

/**
 * The strongest frequency of a sound.
 * @param {Float32Array} sound
 * @param {number} rateHz
 * @returns {number} Hz, to the nearest bin of the longest power of two that fits
 */
export function strongestHz(sound, rateHz) {
  let size = 1;
  while (size * 2 <= sound.length) size <<= 1;
  const real = new Float64Array(size);
  for (let at = 0; at < size; at += 1) real[at] = sound[at] * (0.5 - 0.5 * Math.cos((2 * Math.PI * at) / size));
  const imaginary = new Float64Array(size);
  transform(real, imaginary);
  let best = 1;
  for (let bin = 1; bin < size / 2; bin += 1) {
    if (real[bin] ** 2 + imaginary[bin] ** 2 > real[best] ** 2 + imaginary[best] ** 2) best = bin;
  }
  return (best * rateHz) / size;
}
