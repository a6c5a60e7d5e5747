// Owns the verdict of each check: which numbers are good enough, and the one sentence that says why not. It must not
// know how the numbers were measured; budgets are given to it.
// Invariant: the worst finding decides, and its reason names what was found; a check without findings passes with a
// sentence that says what was seen.

/**
 * @typedef {"PASS"|"WARN"|"FAIL"|"SKIP"} Verdict
 * @typedef {{verdict: Verdict, reason: string}} Judgement
 * @typedef {object} Budget
 * @property {string} words what the number is, to be followed by it
 * @property {string} unit
 * @property {number | null} warn a number beyond this is a warning
 * @property {number | null} fail a number beyond this is a failure
 * @property {boolean} [below] beyond means below
 * @property {string} why where the limits come from
 */

const ORDER = ["SKIP", "PASS", "WARN", "FAIL"];
/** @type {Verdict[]} */
const BAD = ["FAIL", "WARN"];
const TONE_HZ = 440; // of the gateway's test tone
const TONE_WITHIN_HZ = 5;
const CALL_LEAST_S = 60; // the checks of the usual length need calls of a minute
const DIRECTLY = "directly";

/**
 * @param {string} id of the check
 * @param {object} numbers that it measured
 * @param {Record<string, Budget>} budgets by `check.number`
 * @returns {Judgement}
 */
export function judge(id, numbers, budgets) {
  const { findings = [], seen } = RULES[id](numbers);
  const all = [...findings, ...beyondBudget(id, numbers, budgets)];
  for (const verdict of BAD) {
    const found = all.find(([level]) => level === verdict);
    if (found) return { verdict, reason: sentence(found[1]) };
  }
  return { verdict: "PASS", reason: sentence(seen) };
}

/**
 * @param {Verdict[]} verdicts
 * @returns {Verdict} the one that speaks for all
 */
export function worst(verdicts) {
  return verdicts.reduce((left, right) => (ORDER.indexOf(right) > ORDER.indexOf(left) ? right : left), "SKIP");
}

function beyondBudget(id, numbers, budgets) {
  return Object.entries(numbers).flatMap(([name, value]) => {
    const budget = budgets[`${id}.${name}`];
    if (!budget || typeof value !== "number") return [];
    const isBeyond = (limit) => typeof limit === "number" && (budget.below ? value < limit : value > limit);
    const level = isBeyond(budget.fail) ? "FAIL" : isBeyond(budget.warn) ? "WARN" : undefined;
    if (!level) return [];
    const limit = level === "FAIL" ? budget.fail : budget.warn;
    const allowed = budget.below ? "at least" : "up to";
    return [[level, `${budget.words} ${withUnit(value, budget)} (budget: ${allowed} ${withUnit(limit, budget)})`]];
  });
}

function withUnit(value, { unit }) {
  return unit ? `${value} ${unit}` : `${value}`;
}

function sentence(words) {
  const text = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

const fail = (when, words) => (when ? [["FAIL", words]] : []);
const warn = (when, words) => (when ? [["WARN", words]] : []);

const RULES = {
  environment: ({ missing, poor }) => ({
    findings: [...fail(missing.length, `This browser cannot make a call: ${missing.join("; ")}`), ...warn(poor.length, poor.join("; "))],
    seen: "this browser has what a call needs",
  }),

  token: ({ answers, for_one_call: forOneCall }) => ({
    findings: [
      ...answers.flatMap(({ what, status, expected }) =>
        fail(status !== expected, `a request with ${what} was answered ${status}, not ${expected}`),
      ),
      ...warn(forOneCall, "the token of this page is for one call, and each check makes its own: use one that is reusable"),
    ],
    seen: `${answers.length} requests with a wrong token or none were refused, the right one was taken`,
  }),

  ice: ({ servers }) => {
    const silent = servers.filter(({ wanted, found }) => !found.includes(wanted));
    return {
      findings: silent.flatMap(({ url, wanted, error }) =>
        fail(true, `no ${wanted} candidate from ${url}${error ? `: ${error}` : ""}`),
      ),
      seen: `${servers.length} of ${servers.length} servers gave their candidate`,
    };
  },

  connectivity: ({ ways }) => ({
    findings: ways
      .filter(({ connectMs }) => connectMs === undefined)
      .map(({ way, hint }) => {
        // A gateway may be meant to be reached through its relay alone.
        const others = way === DIRECTLY && ways.some(({ connectMs }) => connectMs !== undefined);
        return others ? ["WARN", `only through a relay: ${hint}`] : ["FAIL", `no connection ${way}: ${hint}`];
      }),
    seen: `connected ${ways.map(({ way, connectMs }) => `${way} in ${connectMs} ms`).join(", ")}`,
  }),

  microphone: ({ rms_dbfs: rms, peak_dbfs: peak, echo_cancellation: cancels }) => ({
    findings: [
      ...fail(peak <= -90, "the microphone is silent: it is muted, or another program holds it"),
      ...warn(cancels === false, "the browser does not cancel echo: use headphones, or the model interrupts itself"),
    ],
    seen: `the microphone is heard at ${rms} dBFS`,
  }),

  camera: ({ width, height, fps, pictures }) => ({
    findings: fail(!pictures, "the camera gives no picture"),
    seen: `${width} by ${height} at ${fps} fps`,
  }),

  gateway_view: (numbers) => ({
    findings: [
      ...fail(!numbers.audio_ms, "the gateway has decoded no sound: no packets of the microphone arrive"),
      ...fail(
        numbers.audio_ms && numbers.rms_dbov <= -90,
        "the gateway hears silence: packets come, and there is nothing in them (a muted microphone)",
      ),
      ...fail(
        numbers.has_camera && numbers.camera_refused,
        `the camera is not looked at: ${numbers.camera_refused}`,
      ),
      ...fail(numbers.has_camera && !numbers.frames_whole, "no picture has reached the gateway whole"),
      ...fail(
        numbers.frames_whole && !numbers.frames_sampled,
        `of ${numbers.frames_whole} pictures none became a JPEG (${numbers.dropped})`,
      ),
      ...fail(numbers.frame_is_black, "the JPEG that the model gets is black"),
    ],
    seen: `the gateway hears ${numbers.rms_dbov} dBov${
      numbers.has_camera ? ` and made ${numbers.frames_sampled} frames` : "; there is no camera"
    }`,
  }),

  voice: ({ pitch_hz: pitch, level_dbfs: level }) => ({
    findings: [
      ...fail(level <= -60, "nothing is heard of the gateway's tone"),
      ...fail(
        level > -60 && Math.abs(pitch - TONE_HZ) > TONE_WITHIN_HZ,
        `the gateway's tone of ${TONE_HZ} Hz is heard at ${pitch} Hz`,
      ),
    ],
    seen: `the gateway's tone is heard at ${pitch} Hz and ${level} dBFS`,
  }),

  round_trip: ({ chirps, heard, delay_ms: delayMs, drift_measured_ppm: driftPpm, drift_error_ppm: errorPpm }) => ({
    findings: fail(!heard, `none of ${chirps} chirps came back`),
    seen: `mouth to ear takes ${delayMs} ms; ${heard} of ${chirps} chirps came back; ${
      errorPpm === undefined ? "a drift cannot be told" : `a drift of ${driftPpm} ppm is measured, give or take ${errorPpm}`
    }`,
  }),

  ttfab: ({ asked, answered, p50_ms: half, sure_slope_ms_per_fps: slope }) => ({
    findings: [
      ...fail(!answered, `none of ${asked} questions was answered`),
      ...warn(answered && answered < asked, `${asked - answered} of ${asked} questions were not answered`),
    ],
    seen: `half of ${answered} answers came within ${half} ms; ${
      slope === undefined ? "frames were not sent at different rates" : "frames cost no latency"
    }`,
  }),

  barge_in: ({ tries, interrupted, silence_ms: silenceMs }) => ({
    findings: fail(
      interrupted < tries,
      interrupted ? `${tries - interrupted} of ${tries} times the model talked on` : "the model talks on when it is spoken over",
    ),
    seen: `the model falls silent ${silenceMs} ms after it is spoken over`,
  }),

  frame_age: ({ pictures, read, p50_ms: half, fps, camera_refused: refused }) => ({
    findings: [
      ...fail(refused, `the camera is not looked at: ${refused}`),
      ...fail(!pictures, "no frame has reached the model"),
      ...fail(pictures && !read, "no frame that reached the model can be read: it is black, broken, turned or cut"),
    ],
    seen: `the model sees ${fps} frames a second, half of them younger than ${half} ms`,
  }),

  limits: ({ answers, ends_in_s: endsInS }) => ({
    findings: [
      ...answers.flatMap(({ what, status, expected }) =>
        fail(!expected.includes(status), `${what} was answered ${status}, not ${expected.join(" or ")}`),
      ),
      ...fail(endsInS === undefined, "a call is not told its limits"),
      ...warn(endsInS < CALL_LEAST_S, `a call ends after ${endsInS} s: shorter than a run of this page may take`),
    ],
    seen: `${answers.length} requests that ask for too much were refused in words; a call ends after ${endsInS} s`,
  }),

  soak: ({ duration_s: duration, samples }) => ({
    findings: fail(samples < 3, "the call did not last long enough to tell anything"),
    seen: `nothing grew in ${duration} s`,
  }),

  ...Object.fromEntries(
    ["peer", "offline", "kill_link", "go_away", "stall", "slow_tool", "invalid_argument"].map((name) => [`drill_${name}`, drill]),
  ),
};

function drill({ recovered_s: recovered, waited_s: waited, kept, how, ended, function_failed: failed }) {
  return {
    findings: [
      ...fail(ended, `the call ended: ${ended}`),
      ...fail(failed, "the function that the model called failed"),
      ...fail(!ended && recovered === undefined, `no answer came within ${waited} s after it`),
      ...fail(!ended && kept === false, "the conversation was lost: the model's side began anew"),
    ],
    seen: `answered again after ${recovered} s${how ? `, the link was ${how}` : ""}, the conversation was kept`,
  };
}

/** The ids of all checks, in the order in which they run. */
export const CHECKS = Object.freeze([
  "environment",
  "token",
  "ice",
  "connectivity",
  "microphone",
  "camera",
  "gateway_view",
  "voice",
  "round_trip",
  "ttfab",
  "barge_in",
  "frame_age",
  "drill_peer",
  "drill_offline",
  "drill_kill_link",
  "drill_go_away",
  "drill_stall",
  "drill_slow_tool",
  "drill_invalid_argument",
  "limits",
  "soak",
]);
