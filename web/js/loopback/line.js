// Owns one call under test: the product's own call with taps around it, and what a check wants of it. It must not know
// what is checked.
// Invariant: after `close` nothing of the call is left; whoever waits for something is told in a sentence why it never
// came.

import { Call } from "../call.js";
import { GatewayClient } from "../http.js";
import { WakeLock } from "../wake-lock.js";
import { Taps } from "./taps.js";

const SAMPLE_MS = 1_000;

const clock = {
  nowMs: () => performance.now(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (timer) => window.clearTimeout(timer),
};

/** One call under test. */
export class Line {
  #taps;
  #call;
  #token;
  #studio;
  #onSample;
  #waiting = new Set();
  #sampler;
  #before = { browser: { waitedMs: 0, played: 0 }, gateway: { waitedMs: 0, played: 0 } };
  #phase = "idle";
  #reason = "";

  /** @type {{atMs: number, atS: number, message: object}[]} everything the gateway said, with its time on both clocks */
  messages = [];
  location = "";
  /** How often the call was lost. */
  losses = 0;

  /**
   * @param {object} options
   * @param {import("./studio.js").Studio} options.studio
   * @param {MediaStreamTrack} options.microphone
   * @param {MediaStreamTrack} [options.camera]
   * @param {string} options.query
   * @param {string} [options.token]
   * @param {RTCConfiguration} [options.configuration]
   * @param {(kind: string, sdp: string) => void} options.onDescription
   * @param {(sample: object) => void} options.onSample once a second
   */
  constructor({ studio, token, onSample, ...tapped }) {
    this.#studio = studio;
    this.#onSample = onSample;
    this.#token = token;
    /** What is heard of the gateway. */
    this.ear = studio.ear();
    this.#taps = new Taps(tapped);
    this.#call = new Call({
      client: new GatewayClient({ fetch: this.#taps.fetch, token }),
      clock,
      browser: this.#taps.browser,
      RTCPeerConnection: this.#taps.RTCPeerConnection,
      MediaStream,
      WebSocket: this.#taps.WebSocket,
      AudioContext: undefined, // the studio measures; a browser has few of them
      audio: Object.assign(new Audio(), { muted: true }), // nobody is to hear a test
      wakeLock: new WakeLock({ navigator, document }),
      gatewayUrl: window.location.href,
      functions: {},
    });
    this.#call.prefer({ camera: tapped.camera !== undefined });
    const on = (type, listener) =>
      this.#call.addEventListener(type, (/** @type {CustomEvent} */ { detail }) => listener(detail));
    on("state", ({ state }) => this.#is(state));
    on("session", ({ location }) => (this.location = location));
    on("voice", ({ track }) => this.ear.listen(track));
    on("message", ({ message }) => this.#heard(message));
  }

  /**
   * Call, and wait until it is live.
   * @param {number} timeoutMs
   */
  async open(timeoutMs) {
    const live = this.until(() => this.isLive || undefined, timeoutMs, "the call to connect");
    this.#call.start();
    await live;
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** The connection of the moment. */
  get peer() {
    return this.#taps.peers.at(-1);
  }

  /** Why the call ended; empty while it has not. */
  get ended() {
    return this.#phase === "ended" ? this.#reason || "it was ended" : "";
  }

  /** How many connections there were. */
  get connections() {
    return this.#taps.peers.length;
  }

  /** Why the gateway looks at no pictures of this call at the moment; undefined while it does. */
  get cameraRefused() {
    const facts = this.messages.map(({ message }) => message.data ?? {});
    if (facts.findLast(({ type }) => type === "limits")?.video !== false) return undefined;
    const why = facts.findLast(({ type, code }) => type === "notice" && code?.startsWith("video_"))?.text;
    return why ?? "the gateway takes no pictures of this call.";
  }

  get isLive() {
    return this.#phase === "live";
  }

  /**
   * Wait for a message that comes from now on, or after a place in `messages`.
   * @param {(message: object) => boolean} isIt
   * @param {number} timeoutMs
   * @param {string} what for the sentence when it does not come
   * @param {number} [from] index in `messages`
   * @returns {Promise<{atMs: number, atS: number, message: object}>}
   */
  message(isIt, timeoutMs, what, from = this.messages.length) {
    return this.until(() => this.messages.slice(from).find(({ message }) => isIt(message)), timeoutMs, what);
  }

  /**
   * Wait until there is something.
   * @template T
   * @param {() => T | undefined} look asked at every message and change of state
   * @param {number} timeoutMs
   * @param {string} what for the sentence when it does not come
   * @param {number} [everyMs] and as often as this
   * @returns {Promise<T>}
   */
  until(look, timeoutMs, what, everyMs) {
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        clearInterval(beat);
        this.#waiting.delete(again);
        settle(value);
      };
      const again = () => {
        const found = look();
        if (found !== undefined) done(resolve, found);
        else if (this.ended) done(reject, new Error(`The call ended: ${this.ended}`));
      };
      const seconds = Math.round(timeoutMs / 1000);
      const timer = setTimeout(() => done(reject, new Error(`Waited ${seconds} s in vain for ${what}.`)), timeoutMs);
      const beat = everyMs === undefined ? undefined : setInterval(again, everyMs);
      this.#waiting.add(again);
      again();
    });
  }

  /** Say something in writing; without a network, as soon as there is one. */
  type(text) {
    this.#call.sendText(text);
  }

  /** The gateway's own view. */
  async view() {
    return (await this.#request("/stats")).json();
  }

  /**
   * How long sound has waited on the way so far: in the browser's jitter buffer and in the gateway's.
   * @returns {Promise<import("./drift.js").Reading & {atMs: number}>} by both clocks
   */
  async waits() {
    const [report, { peer }] = await Promise.all([this.peer.getStats(), this.view()]);
    const voice = [...report.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "audio");
    return {
      atS: this.#studio.nowS,
      atMs: performance.now(),
      browserWaitedS: voice?.jitterBufferDelay,
      browserPlayed: voice?.jitterBufferEmittedCount,
      gatewayWaitedS: peer && peer.audio.waited_ms / 1000,
      gatewayPlayed: peer?.audio.played,
    };
  }

  /** The newest frame that the model saw. */
  async frame() {
    const response = await this.#request("/frame");
    return { id: Number(response.headers.get("X-Frame-Id")), picture: await response.blob() };
  }

  /** What was said. */
  async transcript() {
    return (await this.#request("/transcript")).json();
  }

  /** Let something go wrong at the gateway. */
  async drill(name, seconds) {
    const body = JSON.stringify({ drill: name, seconds });
    await this.#request("/drills", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  }

  /** Take the network away from requests and sockets, or give it back. */
  setOffline(offline) {
    this.#taps.setOffline(offline);
  }

  /** The WebRTC connection is gone at once, as when a phone changes its network; the call is told, and gets back. */
  dropPeer() {
    this.#taps.changeNetwork();
  }

  close() {
    clearInterval(this.#sampler);
    this.#sampler = undefined;
    this.#call.end();
    this.ear.close();
    for (const waiting of this.#waiting) waiting();
  }

  #is({ phase, reason }) {
    if (phase === "reconnecting" && this.#phase === "live") this.losses += 1;
    this.#phase = phase;
    this.#reason = reason;
    for (const look of this.#waiting) look();
  }

  #heard(message) {
    this.messages.push({ atMs: performance.now(), atS: this.#studio.nowS, message });
    for (const look of this.#waiting) look();
  }

  /** @param {string} path @param {RequestInit} [options] */
  async #request(path, options = { cache: "no-store" }) {
    const allowed = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const headers = { ...allowed, ...options.headers };
    const response = await this.#taps.fetch(this.location + path, { ...options, headers });
    if (response.ok) return response;
    const { detail } = await response.json().catch(() => ({}));
    throw new Error(detail ?? `The gateway answered ${path} with status ${response.status}.`);
  }

  async #sample() {
    const [report, view] = await Promise.all([this.peer.getStats(), this.view().catch(() => null)]);
    if (this.#sampler === undefined) return; // closed meanwhile: the report may be out already
    const sample = browserSample(report);
    const now = {
      browser: { waitedMs: 1000 * (sample.jitter_buffer_delay_s ?? 0), played: sample.jitter_buffer_emitted ?? 0 },
      gateway: { waitedMs: view?.peer?.audio.waited_ms ?? 0, played: view?.peer?.audio.played ?? 0 },
    };
    this.#onSample({
      ...sample,
      jitter_buffer_ms: meanWaitMs(this.#before.browser, now.browser),
      gateway_wait_ms: meanWaitMs(this.#before.gateway, now.gateway),
      gateway: view,
    });
    this.#before = now;
  }
}

/**
 * What matters of getStats.
 * @param {RTCStatsReport} report
 */
export function browserSample(report) {
  const all = [...report.values()];
  const of = (type, kind) => all.find((one) => one.type === type && (kind === undefined || one.kind === kind)) ?? {};
  const transport = of("transport");
  const pair = report.get(transport.selectedCandidatePairId) ?? {};
  const [voice, sent, pictures] = [of("inbound-rtp", "audio"), of("outbound-rtp", "audio"), of("outbound-rtp", "video")];
  const { memory } = /** @type {any} */ (performance); // Chromium's
  const ms = (seconds) => (seconds === undefined ? undefined : Math.round(seconds * 10_000) / 10);
  return {
    at_ms: Math.round(performance.now()),
    rtt_ms: ms(pair.currentRoundTripTime),
    available_bps: pair.availableOutgoingBitrate,
    pair: `${report.get(pair.localCandidateId)?.candidateType}-${report.get(pair.remoteCandidateId)?.candidateType}`,
    received_packets: voice.packetsReceived,
    lost_packets: voice.packetsLost,
    jitter_ms: ms(voice.jitter),
    jitter_buffer_delay_s: voice.jitterBufferDelay,
    jitter_buffer_target_delay_s: voice.jitterBufferTargetDelay,
    jitter_buffer_emitted: voice.jitterBufferEmittedCount,
    inserted_samples: voice.insertedSamplesForDeceleration,
    removed_samples: voice.removedSamplesForAcceleration,
    played_samples: voice.totalSamplesReceived,
    concealed_samples: (voice.concealedSamples ?? 0) - (voice.silentConcealedSamples ?? 0),
    sent_audio_packets: sent.packetsSent,
    sent_audio_bytes: sent.bytesSent,
    sent_frames: pictures.framesSent,
    sent_video_bytes: pictures.bytesSent,
    heap_mb: memory ? Math.round(memory.usedJSHeapSize / 1e5) / 10 : undefined,
  };
}

/** How long what was played between two moments had waited, in ms; undefined when nothing was. */
function meanWaitMs(before, now) {
  const played = now.played - before.played;
  return played > 0 ? Math.round((10 * (now.waitedMs - before.waitedMs)) / played) / 10 : undefined;
}
