// Owns what a page remembers: the call of this tab through a reload, and a person's choices for the next call. It must
// not know calls or the page; the storages are given to it.
// Invariant: a browser that keeps nothing (private windows, blocked storage) is no failure: nothing is remembered then.

const CALL = "gateway.call";
const CHOICES = "gateway.choices";
const CALL_KEPT_MS = 120_000; // twice the gateway's usual grace: it knows best whether the session is still there

/** What this page keeps. */
export class Kept {
  #session;
  #local;

  /**
   * @param {object} storages functions, because naming a blocked storage throws already
   * @param {() => Storage} storages.session of this tab
   * @param {() => Storage} storages.local of this site
   */
  constructor({ session, local }) {
    this.#session = session;
    this.#local = local;
  }

  /** @param {object | undefined} ticket of `Call`; undefined to forget it */
  keepCall(ticket, nowMs) {
    this.#write(this.#session, CALL, ticket && { ...ticket, keptMs: nowMs });
  }

  /** @returns {object | undefined} the ticket, while it can still be of use; it is forgotten here */
  takeCall(nowMs) {
    const kept = this.#read(this.#session, CALL);
    this.#write(this.#session, CALL, undefined);
    if (!kept || nowMs - kept.keptMs > CALL_KEPT_MS) return undefined;
    const { keptMs: _, ...ticket } = kept;
    return ticket;
  }

  /** @returns {object} what the person chose before */
  get choices() {
    return this.#read(this.#local, CHOICES) ?? {};
  }

  /** @param {object} changed */
  choose(changed) {
    this.#write(this.#local, CHOICES, { ...this.choices, ...changed });
  }

  #read(storage, key) {
    try {
      return JSON.parse(storage().getItem(key) ?? "null") ?? undefined;
    } catch {
      return undefined;
    }
  }

  #write(storage, key, value) {
    try {
      if (value === undefined) storage().removeItem(key);
      else storage().setItem(key, JSON.stringify(value));
    } catch {
      // Nothing is kept.
    }
  }
}
