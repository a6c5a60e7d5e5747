// Owns the way from messages of a stream to samples that are heard, in the thread of Web Audio. It must not know
// sockets.
// Invariant: what was heard is told at least every 40 ms while it changes.

import { Jitter } from "./jitter.js";
import { Resampler } from "./resample.js";
import { VOICE_HZ } from "./wire.js";

/* global AudioWorkletProcessor, registerProcessor, sampleRate */

const TELL_SAMPLES = sampleRate / 25;

class Voice extends AudioWorkletProcessor {
  #jitter = new Jitter();
  #resampler = new Resampler(VOICE_HZ, sampleRate);
  #ready = new Float32Array(0);
  #told;
  #untold = 0; // samples since it was told

  constructor() {
    super();
    this.port.onmessage = ({ data: { begin, cut, flush, seq, samples } }) => {
      if (begin) this.#jitter.begin();
      else if (cut) this.#jitter.cut();
      else if (flush !== undefined) this.#jitter.flush(flush);
      else this.#jitter.push(seq, Float32Array.from(new Int16Array(samples), (sample) => sample / 32768));
    };
  }

  process(_, [[channel]]) {
    while (this.#ready.length < channel.length) {
      const missing = Math.ceil(((channel.length - this.#ready.length) * VOICE_HZ) / sampleRate);
      const more = this.#resampler.push(this.#jitter.pull(missing));
      const joined = new Float32Array(this.#ready.length + more.length);
      joined.set(this.#ready);
      joined.set(more, this.#ready.length);
      this.#ready = joined;
    }
    channel.set(this.#ready.subarray(0, channel.length));
    this.#ready = this.#ready.slice(channel.length);
    this.#tell(channel.length);
    return true;
  }

  #tell(samples) {
    this.#untold += samples;
    const { heard } = this.#jitter;
    if (heard === this.#told || this.#untold < TELL_SAMPLES) return;
    this.#untold = 0;
    this.#told = heard;
    if (heard !== undefined) this.port.postMessage(heard);
  }
}

registerProcessor("stream-voice", Voice);
