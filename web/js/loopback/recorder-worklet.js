// Owns the way of sound from the audio thread to the page, with its place in time. It must not know what is recorded.
// Invariant: no sample is left out; each batch says the frame of the audio clock at which it begins.

const BATCH = 2048; // 43 ms at 48 kHz: few messages, and soon enough for a page

/* global AudioWorkletProcessor, currentFrame, registerProcessor */
class Recorder extends AudioWorkletProcessor {
  #batch = new Float32Array(BATCH);
  #filled = 0;

  process([[channel]]) {
    // While nothing is connected there is no channel: time passes all the same, so silence is recorded.
    const samples = channel ?? new Float32Array(128);
    this.#batch.set(samples, this.#filled);
    this.#filled += samples.length;
    if (this.#filled < BATCH) return true;
    this.port.postMessage({ frame: currentFrame + samples.length - BATCH, samples: this.#batch }, [this.#batch.buffer]);
    this.#batch = new Float32Array(BATCH);
    this.#filled = 0;
    return true;
  }
}

registerProcessor("recorder", Recorder);
