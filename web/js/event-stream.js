// Owns the WebSocket of a session: it comes back after a cut, and asks for what it missed. It must not know what the
// messages mean; `WebSocket`, the clock and the question whether the session exists are given to it.
// Invariant: each message is handed on at most once, in the order of `seq`; `onOver` is called at most once, and
// nothing is called after `close()`.

import { delayMs } from "./backoff.js";

const OVER = 1000; // the close code of a session that has ended
const MOVED = 1012; // of one that another machine has: it is there now
const OPEN = 1; // WebSocket.OPEN

/** The messages of one session. */
export class EventStream {
  #dependencies;
  #socket;
  #timer;
  #lastSeq = 0;
  #failures = 0;
  #closed = false;
  #unsent = []; // what was said while there was no socket

  /**
   * Opens at once.
   * @param {object} dependencies
   * @param {string} dependencies.url `ws:` or `wss:`, without a query
   * @param {string[]} [dependencies.protocols] subprotocols to offer; the gateway takes a token there
   * @param {number} [dependencies.seenSeq] of the last message that this person has seen, before the page was loaded
   *   again: what comes up to it is told once more, as past
   * @param {typeof WebSocket} dependencies.WebSocket
   * @param {{setTimeout: Function, clearTimeout: Function}} dependencies.clock
   * @param {() => Promise<boolean>} dependencies.exists whether the session still exists
   * @param {(message: object, isPast: boolean) => void} dependencies.onMessage
   * @param {() => void} dependencies.onOver the session is over
   */
  constructor(dependencies) {
    this.#dependencies = dependencies;
    this.#open();
  }

  /** Of the last message. */
  get seq() {
    return this.#lastSeq;
  }

  /** Stop; nothing is called any more. */
  close() {
    this.#closed = true;
    this.#dependencies.clock.clearTimeout(this.#timer);
    this.#socket.close();
  }

  /** Say something to the gateway; it waits for the socket. */
  send(message) {
    this.#unsent.push(message);
    this.#flush();
  }

  /** The network is back: do not wait out the delay. */
  hurry() {
    if (this.#timer === undefined) return;
    this.#dependencies.clock.clearTimeout(this.#timer);
    this.#open();
  }

  #open() {
    const { url, protocols = [], WebSocket } = this.#dependencies;
    this.#timer = undefined;
    this.#socket = new WebSocket(this.#lastSeq ? `${url}?after=${this.#lastSeq}` : url, protocols);
    let wasOpen = false;
    let hasSpoken = false;
    this.#socket.onopen = () => {
      wasOpen = true;
      this.#failures = 0;
      this.#flush();
    };
    this.#socket.onmessage = ({ data }) => {
      hasSpoken = true;
      this.#receive(JSON.parse(data));
    };
    this.#socket.onclose = ({ code }) => {
      // One that moves again before it has said anything is not asked again and again.
      if (code === MOVED && hasSpoken && !this.#closed) this.#open();
      else this.#cut(code, wasOpen);
    };
  }

  #flush() {
    if (this.#socket.readyState !== OPEN) return;
    for (const message of this.#unsent.splice(0)) this.#socket.send(JSON.stringify(message));
  }

  #receive(message) {
    if (this.#closed || message.seq <= this.#lastSeq) return;
    if (message.seq !== undefined) this.#lastSeq = message.seq; // an answer to this client alone has none
    this.#dependencies.onMessage(message, message.seq <= (this.#dependencies.seenSeq ?? 0));
  }

  async #cut(code, wasOpen) {
    if (this.#closed) return;
    // 1000 alone is not believed: Firefox says it to a page that is being left, whose session goes on.
    const over = (code === OVER || !wasOpen) && !(await this.#dependencies.exists());
    if (this.#closed) return;
    if (over) {
      this.#closed = true;
      this.#dependencies.onOver();
      return;
    }
    this.#timer = this.#dependencies.clock.setTimeout(() => this.#open(), delayMs(this.#failures));
    this.#failures += 1;
  }
}
