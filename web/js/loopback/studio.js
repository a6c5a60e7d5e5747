// Owns the page's audio clock, the voices it speaks with and the ears it hears with. It must not know peers or checks.
// Invariant: everything that is played and recorded has its place on one clock, in seconds; after `close` nothing plays.

const KEPT_S = 900; // of an ear; a soak of a quarter of an hour still fits

/** A microphone without a person: what is played into it goes out on its track. */
export class Voice {
  #context;
  #destination;

  /** @param {AudioContext} context */
  constructor(context) {
    this.#context = context;
    this.#destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    /** @type {MediaStreamTrack} */
    this.track = this.#destination.stream.getAudioTracks()[0];
    // Where nothing plays the browser sends no packets at all, which no microphone does.
    const silence = new ConstantSourceNode(context, { offset: 0 });
    silence.connect(this.#destination);
    silence.start();
  }

  /**
   * Say something.
   * @param {Float32Array<ArrayBuffer>} samples at the rate of the studio
   * @param {number} [atS] when, by the studio's clock; at once where it is past
   * @returns {{beginS: number, endS: number}}
   */
  say(samples, atS = 0) {
    const buffer = this.#context.createBuffer(1, samples.length, this.#context.sampleRate);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#destination);
    const beginS = Math.max(atS, this.#context.currentTime + 0.02);
    source.start(beginS);
    return { beginS, endS: beginS + buffer.duration };
  }
}

/** Records what comes on tracks, one at a time. */
export class Ear {
  #context;
  #recorder;
  #source;
  #element = new Audio();
  #batches = [];

  /** @param {AudioContext} context */
  constructor(context) {
    this.#context = context;
    this.#recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 1, outputChannelCount: [1] });
    this.#recorder.port.onmessage = ({ data }) => this.#take(data);
    // A node that leads nowhere is not run; what it puts out is silence.
    this.#recorder.connect(context.destination);
  }

  /** @param {MediaStreamTrack} track listen to this one from now on */
  listen(track) {
    this.#source?.disconnect();
    const stream = new MediaStream([track]);
    // Chromium gives no sound of a remote track to Web Audio unless an element plays it; it need not be heard.
    this.#element.srcObject = stream;
    this.#element.muted = true;
    this.#element.play().catch(() => {});
    this.#source = new MediaStreamAudioSourceNode(this.#context, { mediaStream: stream });
    this.#source.connect(this.#recorder);
  }

  /**
   * What was heard.
   * @param {number} fromS by the studio's clock
   * @param {number} [untilS]
   * @returns {Float32Array} from `fromS` on, as far as it was recorded
   */
  heard(fromS, untilS = Infinity) {
    const rateHz = this.#context.sampleRate;
    const from = Math.round(fromS * rateHz);
    const newest = this.#batches.at(-1);
    const until = Math.min(Math.round(untilS * rateHz), newest ? newest.frame + newest.samples.length : from);
    const sound = new Float32Array(Math.max(0, until - from));
    for (const { frame, samples } of this.#batches) {
      const [begin, end] = [Math.max(frame, from), Math.min(frame + samples.length, until)];
      if (begin < end) sound.set(samples.subarray(begin - frame, end - frame), begin - from);
    }
    return sound;
  }

  /** Everything that is kept, for the report. */
  all() {
    return this.#batches.length ? this.heard(this.#batches[0].frame / this.#context.sampleRate) : new Float32Array(0);
  }

  close() {
    this.#recorder.port.onmessage = null;
    this.#source?.disconnect();
    this.#recorder.disconnect();
    this.#element.srcObject = null;
  }

  #take(batch) {
    this.#batches.push(batch);
    const tooOld = batch.frame - KEPT_S * this.#context.sampleRate;
    while (this.#batches[0].frame < tooOld) this.#batches.shift();
  }
}

/** The audio clock and what belongs to it. */
export class Studio {
  #context;

  /** Inside a tap, or where the browser needs none. Throws when there is no sound to be had. */
  async open() {
    if (typeof AudioWorkletNode !== "function") throw new Error("Browsers give their sound to secure pages only.");
    this.#context ??= new AudioContext({ latencyHint: "interactive" });
    await Promise.race([this.#context.resume(), rejectionAfter(3_000, "The browser keeps sound back: press Run.")]);
    await this.#context.audioWorklet.addModule(new URL("./recorder-worklet.js", import.meta.url));
  }

  get rateHz() {
    return this.#context.sampleRate;
  }

  /** Seconds of the clock by which everything is placed. */
  get nowS() {
    return this.#context.currentTime;
  }

  voice() {
    return new Voice(this.#context);
  }

  ear() {
    return new Ear(this.#context);
  }

  /**
   * A sound file at the studio's rate.
   * @param {string} url
   * @returns {Promise<Float32Array>} its first channel
   */
  async load(url) {
    const response = await fetch(url);
    return (await this.#context.decodeAudioData(await response.arrayBuffer())).getChannelData(0);
  }

  async close() {
    await this.#context?.close();
    this.#context = undefined;
  }
}

function rejectionAfter(ms, words) {
  return new Promise((_, reject) => setTimeout(() => reject(new Error(words)), ms));
}
