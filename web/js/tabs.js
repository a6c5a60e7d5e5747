// Owns what the tabs of one person tell each other: which of them has a call, and handing it over. It must not know what
// a call is; the channel, the clock and the ticket of a call are given to it.
// Invariant: a call is handed to the one tab that asked for it, and only by a tab that has one.

const ANSWER_MS = 250; // another tab answers within a few; one that is frozen has no say

/** This tab among the others. */
export class Tabs {
  #id = Math.random().toString(36).slice(2);
  #channel;
  #clock;
  #handlers;
  #waiting = new Set();
  #holder; // the tab that has a call: {id, location}

  /**
   * @param {object} dependencies
   * @param {BroadcastChannel | undefined} dependencies.channel
   * @param {{setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {() => object | undefined} dependencies.ticket of this tab's call
   * @param {() => void} dependencies.onGiven this tab's call goes to another one
   * @param {(elsewhere: boolean) => void} dependencies.onElsewhere whether another tab has a call
   */
  constructor({ channel, clock, ticket, onGiven, onElsewhere }) {
    this.#channel = channel;
    this.#clock = clock;
    this.#handlers = { ticket, onGiven, onElsewhere };
    if (channel) channel.onmessage = ({ data }) => this.#heard(data);
  }

  /**
   * Ask whether another tab has a call.
   * @returns {Promise<string | undefined>} the location of its session
   */
  async look() {
    await this.#ask({ type: "who" }, ({ type }) => type === "here");
    return this.#holder?.location;
  }

  /** This tab has a call now. */
  began() {
    this.#say({ type: "here", location: this.#handlers.ticket()?.location });
  }

  /** It is over. */
  over() {
    this.#say({ type: "over" });
  }

  /**
   * Take the call of the other tab.
   * @returns {Promise<object | undefined>} its ticket; undefined when the other tab does not answer
   */
  async take() {
    if (!this.#holder) return undefined;
    const isMine = ({ type, to }) => type === "given" && to === this.#id;
    const given = await this.#ask({ type: "give", to: this.#holder.id }, isMine);
    this.#elsewhere(undefined);
    return given?.ticket;
  }

  #heard(message) {
    const { type, from, to, location } = message;
    const ticket = this.#handlers.ticket();
    if (type === "who" && ticket) this.began();
    if (type === "here") this.#elsewhere({ id: from, location });
    if (type === "over" && from === this.#holder?.id) this.#elsewhere(undefined);
    if (type === "give" && to === this.#id && ticket) {
      this.#say({ type: "given", to: from, ticket });
      this.#handlers.onGiven();
    }
    for (const one of [...this.#waiting]) one(message);
  }

  #elsewhere(holder) {
    this.#holder = holder;
    this.#handlers.onElsewhere(holder !== undefined);
  }

  #ask(message, isIt) {
    const answer = new Promise((resolve) => {
      const done = (said) => {
        this.#clock.clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(said);
      };
      const look = (said) => isIt(said) && done(said);
      const timer = this.#clock.setTimeout(done, ANSWER_MS);
      this.#waiting.add(look);
    });
    this.#say(message);
    return answer;
  }

  #say(message) {
    this.#channel?.postMessage({ ...message, from: this.#id });
  }
}
