// Owns what `getStats` says about a call: from reports to a few numbers, and from those to a verdict in words. It must
// not know peers, clocks or the page.
// Invariant: every number is of the time since the report before, and `undefined` where the browser does not tell it.

/**
 * @typedef {object} Facts
 * @property {{local: string, remote: string, protocol: string, isRelay: boolean} | undefined} path the candidate pair
 * @property {number | undefined} roundTripMs
 * @property {number | undefined} lossDown share of the model's voice that did not come, 0 to 1
 * @property {number | undefined} lossUp share of what was sent that did not arrive, 0 to 1
 * @property {number | undefined} jitterMs of the model's voice
 * @property {number | undefined} concealed share of the voice that had to be made up, 0 to 1, while the model speaks
 * @property {number | undefined} downBps
 * @property {number | undefined} upBps
 * @property {number | undefined} cameraFps pictures sent a second
 * @property {string | undefined} pictureSize
 * @property {boolean} isPictureStarved the browser cannot send pictures for lack of bandwidth
 */

/**
 * @typedef {object} Reading what one report holds; the next one is compared with it
 * @property {number} atMs
 * @property {object} counts
 */

const VOICE_PACKETS_PER_S = 50; // the gateway's packets carry 20 ms

/**
 * The facts between two reports.
 * @param {Iterable<object>} report the values of an `RTCStatsReport`
 * @param {number} atMs
 * @param {Reading | undefined} before of the report before, of the same peer
 * @returns {{facts: Facts, reading: Reading}}
 */
export function read(report, atMs, before) {
  const all = [...report];
  const byId = new Map(all.map((one) => [one.id, one]));
  const of = (type, kind) => all.find((one) => one.type === type && (!kind || one.kind === kind)) ?? {};
  const [voice, pictures] = [of("inbound-rtp", "audio"), of("outbound-rtp", "video")];
  const arrived = [of("remote-inbound-rtp", "audio"), of("remote-inbound-rtp", "video")];
  const pair = selectedPair(all, byId);
  const counts = {
    received: voice.packetsReceived,
    lost: voice.packetsLost,
    concealed: voice.concealedSamples,
    samples: voice.totalSamplesReceived,
    bytesDown: pair?.bytesReceived,
    bytesUp: pair?.bytesSent,
    frames: pictures.framesSent,
  };
  const seconds = before ? (atMs - before.atMs) / 1000 : undefined;
  const rose = (name) => risen(counts[name], before?.counts[name]);
  const roundTripS = pair?.currentRoundTripTime ?? arrived[0].roundTripTime;
  const cameraFps = perSecond(rose("frames"), seconds);
  // Where the model is silent nothing is sent, and browsers count that as sound they had to make up.
  const isSpeaking = sum(rose("received"), rose("lost")) >= 0.9 * VOICE_PACKETS_PER_S * seconds;
  return {
    reading: { atMs, counts },
    facts: {
      path: pair && pathOf(pair, byId),
      roundTripMs: scaled(roundTripS, 1000),
      lossDown: share(rose("lost"), sum(rose("lost"), rose("received"))),
      lossUp: largest(arrived.map(({ fractionLost }) => fractionLost)),
      jitterMs: scaled(voice.jitter, 1000),
      concealed: isSpeaking ? share(rose("concealed"), rose("samples")) : undefined,
      downBps: perSecond(scaled(rose("bytesDown"), 8), seconds),
      upBps: perSecond(scaled(rose("bytesUp"), 8), seconds),
      cameraFps,
      pictureSize: pictures.frameWidth ? `${pictures.frameWidth}×${pictures.frameHeight}` : undefined,
      isPictureStarved: cameraFps === 0 && pictures.qualityLimitationReason === "bandwidth",
    },
  };
}

function selectedPair(all, byId) {
  const transport = all.find(({ type }) => type === "transport");
  const named = byId.get(transport?.selectedCandidatePairId);
  if (named) return named;
  const pairs = all.filter(({ type, state }) => type === "candidate-pair" && state === "succeeded");
  return pairs.find(({ selected }) => selected) ?? pairs.find(({ nominated }) => nominated); // Firefox
}

function pathOf(pair, byId) {
  const [local, remote] = [byId.get(pair.localCandidateId) ?? {}, byId.get(pair.remoteCandidateId) ?? {}];
  const isRelay = local.candidateType === "relay" || remote.candidateType === "relay";
  const protocol = (local.candidateType === "relay" && local.relayProtocol) || local.protocol || "udp";
  return { local: local.candidateType ?? "?", remote: remote.candidateType ?? "?", protocol, isRelay };
}

const isNumber = (value) => typeof value === "number" && !Number.isNaN(value);
const risen = (now, before) => (isNumber(now) && isNumber(before) ? Math.max(0, now - before) : undefined);
const scaled = (value, factor) => (isNumber(value) ? value * factor : undefined);
const sum = (...values) => (values.every(isNumber) ? values.reduce((total, value) => total + value, 0) : undefined);
const share = (part, whole) => (isNumber(part) && whole > 0 ? part / whole : undefined);
const perSecond = (count, seconds) => (isNumber(count) && seconds > 0 ? count / seconds : undefined);
const largest = (values) => (values.some(isNumber) ? Math.max(...values.filter(isNumber)) : undefined);

// Where a conversation begins to suffer and where it becomes hard. Loss: what the gateway repairs without being heard
// (docs/network.md), and twice what it repairs mostly. Round trip: G.114 calls 150 ms one way good and 400 ms the limit.
const BOUNDS = [
  { fact: "lossUp", weak: 0.08, poor: 0.2, words: "some of what you say gets lost" },
  { fact: "lossDown", weak: 0.08, poor: 0.2, words: "some of the voice gets lost" },
  { fact: "concealed", weak: 0.05, poor: 0.15, words: "the voice has gaps" },
  { fact: "roundTripMs", weak: 300, poor: 800, words: "answers take longer on their way" },
];
const RANK = { good: 0, weak: 1, poor: 2 };
const LEAD = { good: "Good connection", weak: "Weak connection", poor: "Poor connection" };
const STEADY_READINGS = 3; // seconds in which no reading was worse, before a verdict gets better

/**
 * @typedef {{code: "unknown" | "good" | "weak" | "poor", words: string, pictureStarved: boolean}} Quality
 */

/** Judges one call over time; bad news at once, good news when it lasts. */
export class QualityVerdict {
  #recent = [];
  #starved = 0;

  /**
   * @param {Facts} facts
   * @returns {Quality}
   */
  feed(facts) {
    this.#recent = [...this.#recent, judged(facts)].slice(-STEADY_READINGS);
    this.#starved = facts.isPictureStarved ? this.#starved + 1 : 0;
    const worst = this.#recent.reduce((left, right) => (RANK[right.code] >= RANK[left.code] ? right : left));
    const words = worst.why ? `${LEAD[worst.code]}: ${worst.why}` : LEAD[worst.code];
    return { code: worst.code, words, pictureStarved: this.#starved >= STEADY_READINGS };
  }

  /** Another peer. */
  reset() {
    this.#recent = [];
    this.#starved = 0;
  }
}

function judged(facts) {
  for (const code of ["poor", "weak"]) {
    const bound = BOUNDS.find(({ fact, [code]: limit }) => facts[fact] > limit);
    if (bound) return { code, why: bound.words };
  }
  return { code: "good", why: "" };
}
