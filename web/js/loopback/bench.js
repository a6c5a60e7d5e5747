// Owns what checks work with: the gateway's configuration, a studio, calls by the settings of the person, and what is
// kept for the report. It must not know what is checked.
// Invariant: a call that a check opened and did not close is closed with it; nothing is kept of a call but what the
// report may show.

import { Line } from "./line.js";
import { redacted } from "./report.js";

const CONNECT_TIMEOUT_MS = 20_000;

// How much is measured: the numbers of each check, by the length that was chosen.
export const LENGTHS = {
  short: { listenS: 2.5, viewS: 4, chirps: 8, ttfabRounds: 1, bargeIns: 1, ageS: 4, soakS: 12 },
  usual: { listenS: 3, viewS: 8, chirps: 40, ttfabRounds: 2, bargeIns: 3, ageS: 10, soakS: 60 },
  long: { listenS: 5, viewS: 20, chirps: 260, ttfabRounds: 5, bargeIns: 5, ageS: 30, soakS: 600 },
};

/** A problem of one check that is told as it is. */
export class Skip extends Error {}

/** What the checks of one run share. */
export class Bench {
  #lines = new Set();
  #check = "";
  #startedMs = 0;
  #log = [];
  #studio;

  /** For the report. */
  kept = { samples: [], ttfab: [], descriptions: [], sounds: [], pictures: [] };

  /**
   * @param {object} parts
   * @param {import("./studio.js").Studio | Error} parts.studio or why there is none
   * @param {object} parts.config `GET /v1/client-config`
   * @param {RTCIceServer[]} parts.iceServers
   * @param {object} parts.settings `{mode, network, custom, seed, length}`
   * @param {string} [parts.token]
   * @param {AbortSignal} parts.signal
   */
  constructor({ studio, config, iceServers, settings, token, signal }) {
    this.#studio = studio;
    this.config = config;
    this.iceServers = iceServers;
    this.settings = settings;
    this.token = token;
    this.signal = signal;
    this.length = LENGTHS[settings.length];
    signal.addEventListener("abort", () => this.#closeLines());
  }

  /** Throws, where there is none: what needs no sound is checked all the same. */
  get studio() {
    if (this.#studio instanceof Error) throw this.#studio;
    return this.#studio;
  }

  /** What the gateway offers for tests; undefined where its operator allows none. */
  get testModes() {
    return this.config.test_modes ?? undefined;
  }

  /** Leave the check out, unless there are test modes. */
  needTestModes() {
    if (!this.testModes) throw new Skip("This gateway allows no test modes (GATEWAY_TEST_MODES=1 would).");
  }

  /** @param {string} id the check that begins */
  begin(id) {
    this.#check = id;
    this.#startedMs = performance.now();
    this.#log = [];
  }

  /** @returns {{log: string[], durationS: number}} of the check that is over */
  end() {
    this.#closeLines();
    return { log: this.#log, durationS: Math.round(performance.now() - this.#startedMs) / 1000 };
  }

  log(text) {
    this.#log.push(`${((performance.now() - this.#startedMs) / 1000).toFixed(2)} s  ${text}`);
  }

  /**
   * A call that is live.
   * @param {object} options
   * @param {"echo" | "tone" | "simulator" | "live" | "chosen"} options.mode `chosen` is the person's choice
   * @param {MediaStreamTrack} options.microphone
   * @param {MediaStreamTrack} [options.camera]
   * @param {RTCConfiguration} [options.configuration]
   * @param {string} [options.network] instead of the person's choice
   * @returns {Promise<Line>}
   */
  async line({ mode, network, ...options }) {
    this.signal.throwIfAborted();
    const line = new Line({
      ...options,
      studio: this.studio,
      token: this.token,
      query: this.#query(mode, network ?? this.settings.network),
      onDescription: (kind, sdp) =>
        this.kept.descriptions.push({ check: this.#check, kind, sdp: redacted(sdp) }),
      onSample: (sample) => this.kept.samples.push({ check: this.#check, ...sample }),
    });
    this.#lines.add(line);
    await line.open(CONNECT_TIMEOUT_MS);
    const { openedMs, connectedMs } = line.peer;
    this.log(`live; connected in ${Math.round(connectedMs - openedMs)} ms`);
    return line;
  }

  /** @param {Float32Array} samples that were heard, for the person to listen to */
  keepSound(samples) {
    this.kept.sounds.push({ samples, rateHz: this.studio.rateHz });
  }

  /** @param {Blob} picture that the model saw */
  keepPicture(id, picture) {
    this.kept.pictures.push({ name: `${this.#check}-${id}.jpg`, picture });
  }

  /** Wait, unless the run is stopped. */
  wait(seconds) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, seconds * 1000);
      const stop = () => {
        clearTimeout(timer);
        reject(this.signal.reason);
      };
      if (this.signal.aborted) stop();
      else this.signal.addEventListener("abort", stop, { once: true });
    });
  }

  #query(mode, network) {
    if (!this.testModes) return "";
    const { mode: chosen, custom, seed } = this.settings;
    const asked = new URLSearchParams({ mode: mode === "chosen" ? chosen : mode });
    if (network) {
      asked.set("network", network);
      asked.set("seed", String(seed));
    }
    if (network === "custom") for (const [name, value] of Object.entries(custom)) asked.set(name, String(value));
    return `?${asked}`;
  }

  #closeLines() {
    for (const line of this.#lines) line.close();
    this.#lines.clear();
  }
}
