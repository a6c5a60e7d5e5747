// Owns the check that the model falls silent when it is spoken over. It must not know how the gateway does that.
// Invariant: silence is timed from the first sound of the interruption to the last sound of the answer, by one clock.

import { endS, onsetS } from "../levels.js";
import { quantile, round } from "../numbers.js";

const LONG_TEXT = Array.from({ length: 40 }, () => "word").join(" "); // the simulator hums ten seconds for it
const LIVE_TEXT = "Please count slowly from one to fifty, in words.";
const INTO_ANSWER_S = 1.2;
const SILENCE_TIMEOUT_S = 5;
const QUIET_S = 0.3; // longer than the pauses between the simulator's notes

/** @type {import("../runner.js").Check} */
export const bargeIn = {
  id: "barge_in",
  title: "Barge-in",
  about: "Speaks over a long answer: how soon it stops, and what is still heard after the interruption was told.",
  async run(bench) {
    const { studio } = bench;
    const question = await studio.load("/loopback-question.wav");
    const leadS = onsetS(question, studio.rateHz) ?? 0;
    const voice = studio.voice();
    const line = await bench.line({ mode: "chosen", microphone: voice.track });
    const tries = [];
    for (let index = 0; index < bench.length.bargeIns; index += 1) {
      tries.push(await interrupted(bench, line, voice, question, leadS));
      bench.log(`silent after ${tries.at(-1).silenceMs ?? "never"} ms`);
      await line.until(() => (quietNow(line, studio) ? true : undefined), 30_000, "silence between two tries", 100);
    }
    const silences = tries.map(({ silenceMs }) => silenceMs).filter((ms) => ms !== undefined);
    const residuals = tries.map(({ residualMs }) => residualMs).filter((ms) => ms !== undefined);
    return {
      numbers: {
        tries: tries.length,
        interrupted: silences.length,
        silence_ms: round(quantile(silences, 0.5)),
        residual_ms: round(quantile(residuals, 0.5)),
      },
      details: [
        {
          kind: "table",
          caption: "Tries",
          head: ["Silent after ms", "Heard after the interruption was told, ms"],
          rows: tries.map(({ silenceMs, residualMs }) => [silenceMs ?? "never", residualMs ?? ""]),
        },
      ],
    };
  },
};

async function interrupted(bench, line, voice, question, leadS) {
  const { studio } = bench;
  const from = line.messages.length;
  line.type(bench.settings.mode === "live" ? LIVE_TEXT : LONG_TEXT);
  await line.message(({ type }) => type === "bot-started-speaking", 20_000, "the answer that is to be interrupted", from);
  await bench.wait(INTO_ANSWER_S);
  const spokenS = voice.say(question).beginS + leadS;
  const told = line.message(({ type }) => type === "bot-interrupted", SILENCE_TIMEOUT_S * 1000, "an interruption", from);
  const silent = () => endS(line.ear.heard(spokenS), studio.rateHz, QUIET_S);
  try {
    const lastedS = await line.until(silent, SILENCE_TIMEOUT_S * 1000, "silence", 50);
    const { atS } = await told;
    return { silenceMs: round(lastedS * 1000), residualMs: round(Math.max(0, spokenS + lastedS - atS) * 1000) };
  } catch (problem) {
    told.catch(() => {});
    if (line.ended || bench.signal.aborted) throw problem;
    return {};
  }
}

/** Nothing has been heard for long enough that no answer is under way. */
function quietNow(line, studio) {
  const sound = line.ear.heard(studio.nowS - 2.5);
  return onsetS(sound, studio.rateHz) === undefined;
}
