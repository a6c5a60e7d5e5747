// Owns the wish to see the newest picture. It must not know HTTP or the page: it is given `get` and `show`.
// Invariant: at most one request is in flight; of the pictures announced meanwhile only the newest is asked for.

/** Shows the newest picture, and none that is older than the one before. */
export class NewestFrame {
  #get;
  #show;
  #wanted;
  #busy = false;

  /**
   * @param {object} dependencies
   * @param {() => Promise<Blob>} dependencies.get
   * @param {(picture: Blob, facts: object) => void} dependencies.show
   */
  constructor({ get, show }) {
    this.#get = get;
    this.#show = show;
  }

  /** @param {object} facts of the picture that has gone to the model */
  async announce(facts) {
    this.#wanted = facts;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#wanted) {
      const wanted = this.#wanted;
      this.#wanted = undefined;
      // A picture that cannot be fetched is left out: the next one comes within seconds.
      const picture = await this.#get().catch(() => undefined);
      if (picture) this.#show(picture, wanted);
    }
    this.#busy = false;
  }
}
