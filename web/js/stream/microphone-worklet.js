// Owns the way from the microphone's samples to blocks of a stream, in the thread of Web Audio. It must not know
// sockets.
// Invariant: a block is posted every 40 ms, also while nothing is connected: what is not heard is silence.

import { Resampler } from "./resample.js";
import { SOUND_HZ, SOUND_SAMPLES } from "./wire.js";

/* global AudioWorkletProcessor, registerProcessor, sampleRate */

class Microphone extends AudioWorkletProcessor {
  #resampler = new Resampler(sampleRate, SOUND_HZ);
  #block = new Int16Array(SOUND_SAMPLES);
  #filled = 0;
  #silence = new Float32Array(128);

  process([[channel = this.#silence]]) {
    for (const sample of this.#resampler.push(channel)) {
      this.#block[this.#filled] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
      this.#filled += 1;
      if (this.#filled === SOUND_SAMPLES) this.#post();
    }
    return true;
  }

  #post() {
    this.port.postMessage(this.#block.buffer, [this.#block.buffer]);
    this.#block = new Int16Array(SOUND_SAMPLES);
    this.#filled = 0;
  }
}

registerProcessor("stream-microphone", Microphone);
