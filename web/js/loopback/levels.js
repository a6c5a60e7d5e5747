// Owns how loud a sound is, and when it begins and ends. It must not know where sounds come from.
// Invariant: levels are in dBFS: a full-scale square wave has 0, silence has SILENCE_DBFS.

export const SILENCE_DBFS = -120;
const BLOCK_S = 0.01;
const LOUD_DBFS = -45; // quiet speech; above what codecs make of silence
const ONSET_BLOCKS = 3; // a click is shorter
const CLIPPED = 0.985; // what drivers clip at differs a little

/**
 * @param {Float32Array} samples
 * @returns {number} dBFS
 */
export function rmsDbfs(samples) {
  if (!samples.length) return SILENCE_DBFS;
  let power = 0;
  for (const sample of samples) power += sample * sample;
  return dbfs(Math.sqrt(power / samples.length));
}

/**
 * @param {Float32Array} samples
 * @returns {{peakDbfs: number, clipped: number}} the loudest sample, and how many are at the very end of the scale
 */
export function peaks(samples) {
  let [peak, clipped] = [0, 0];
  for (const sample of samples) {
    const size = Math.abs(sample);
    if (size > peak) peak = size;
    if (size >= CLIPPED) clipped += 1;
  }
  return { peakDbfs: dbfs(peak), clipped };
}

function dbfs(amplitude) {
  return amplitude > 0 ? Math.max(SILENCE_DBFS, 20 * Math.log10(amplitude)) : SILENCE_DBFS;
}

/**
 * Which pieces of 10 ms are loud.
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {boolean[]}
 */
export function loudBlocks(samples, rateHz) {
  const size = Math.round(BLOCK_S * rateHz);
  const blocks = [];
  for (let at = 0; at + size <= samples.length; at += size) {
    blocks.push(rmsDbfs(samples.subarray(at, at + size)) > LOUD_DBFS);
  }
  return blocks;
}

/**
 * When sound begins.
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {number | undefined} seconds
 */
export function onsetS(samples, rateHz) {
  const blocks = loudBlocks(samples, rateHz);
  const at = blocks.findIndex((_, index) => blocks.slice(index, index + ONSET_BLOCKS).every(Boolean));
  return at < 0 || at + ONSET_BLOCKS > blocks.length ? undefined : at * BLOCK_S;
}

/**
 * When sound ends, for good or for so long.
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @param {number} quietS that long without sound is an end
 * @returns {number | undefined} seconds; undefined while it has not ended
 */
export function endS(samples, rateHz, quietS) {
  const blocks = loudBlocks(samples, rateHz);
  const wanted = Math.round(quietS / BLOCK_S);
  let quiet = 0;
  for (let at = 0; at < blocks.length; at += 1) {
    quiet = blocks[at] ? 0 : quiet + 1;
    if (quiet >= wanted) return (at + 1 - quiet) * BLOCK_S;
  }
  return undefined;
}

/**
 * Gaps inside a sound that should have none.
 * @param {Float32Array} samples
 * @param {number} rateHz
 * @returns {{gaps: number, longestS: number}} between the first and the last loud piece
 */
export function gapsOf(samples, rateHz) {
  const blocks = loudBlocks(samples, rateHz);
  let [gaps, quiet, longest] = [0, 0, 0];
  for (const loud of blocks.slice(blocks.indexOf(true), blocks.lastIndexOf(true) + 1)) {
    if (!loud) quiet += 1;
    else if (quiet > 0) {
      gaps += 1;
      longest = Math.max(longest, quiet);
      quiet = 0;
    }
  }
  return { gaps, longestS: longest * BLOCK_S };
}
