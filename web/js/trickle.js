// Owns the candidates that the gateway has not been told of yet. It must not know peers or HTTP: it is given `send`.
// Invariant: nothing is sent before the session has a location, one request runs at a time, and what is found while it
// runs goes out together with the next.

import { bundleOf, fragment } from "./sdpfrag.js";

/** The candidates of one offer, on their way to the gateway. */
export class Trickle {
  #send;
  #bundle;
  #waiting = [];
  #complete = false;
  #sending = false;
  #done = false;

  /** @param {(fragment: string) => Promise<void>} send */
  constructor(send) {
    this.#send = send;
  }

  /**
   * A candidate was found, or (null) the last one was.
   * @param {RTCIceCandidate | null} candidate
   */
  found(candidate) {
    if (candidate === null) this.#complete = true;
    else if (candidate.candidate) this.#waiting.push(candidate.candidate); // "" ends a generation: null says it too
    this.#drain();
  }

  /**
   * The session has a location: send what was found, and what will be.
   * @param {string} offer the SDP the candidates belong to
   */
  begin(offer) {
    this.#bundle = bundleOf(offer);
    this.#drain();
  }

  /** The peer is not wanted any more. */
  stop() {
    this.#done = true;
  }

  async #drain() {
    if (this.#sending || !this.#bundle) return;
    this.#sending = true;
    while (!this.#done && (this.#waiting.length > 0 || this.#complete)) {
      this.#done = this.#complete;
      // A request that failed is not repeated: the gateway learns the address all the same from the checks it
      // receives, and a peer that cannot connect is replaced.
      await this.#send(fragment(this.#bundle, this.#waiting.splice(0), this.#complete)).catch(() => {});
    }
    this.#sending = false;
  }
}
