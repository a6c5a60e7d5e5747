// Owns the check of how long answers take, and whether pictures make them take longer. It must not know the model: it
// speaks a question and listens for the first sound after it.
// Invariant: an answer is timed from the end of the question in this page to its first sound in this page, by one
// clock; the gateway's own figure stands beside it.

import { onsetS } from "../levels.js";
import { fit, quantile, round, sureSlope } from "../numbers.js";
import { DrawnCamera } from "../camera.js";

const ANSWER_TIMEOUT_S = 15;
/** @type {import("../camera.js").Scene[]} */
const SCENES = ["none", "still", "moving"]; // 0, about 1 and about 3 frames a second
const QUESTIONS_A_SCENE = 2;
const FPS_WINDOW_MS = 5_000;
const SETTLE_S = 3; // after a change of scene, until the frame rate is the new one
const GUARD_S = 0.1; // the end of the question itself, as an echo, is no answer

/** @type {import("../runner.js").Check} */
export const ttfab = {
  id: "ttfab",
  title: "Time to the first audio byte",
  about: "Spoken questions at different frame rates: how soon the answer is heard, and what frames cost of it.",
  async run(bench) {
    const { studio, length, kept } = bench;
    const question = await studio.load("/loopback-question.wav");
    const [voice, camera] = [studio.voice(), new DrawnCamera()];
    try {
      const line = await bench.line({ mode: "chosen", microphone: voice.track, camera: camera.track });
      const rows = [];
      for (const scene of orderOf(length.ttfabRounds)) {
        camera.show(scene);
        await bench.wait(SETTLE_S);
        for (let asked = 0; asked < QUESTIONS_A_SCENE; asked += 1) {
          rows.push(await answerTo(question, voice, line, bench, scene));
        }
      }
      kept.ttfab.push(...rows);
      bench.keepSound(line.ear.all());
      return result(rows);
    } finally {
      camera.stop();
    }
  },
};

/** Up and down again, so that what gets slower with time alone is not taken for the cost of frames. */
function orderOf(rounds) {
  return Array.from({ length: rounds }, (_, round) => (round % 2 ? SCENES.toReversed() : SCENES)).flat();
}

async function answerTo(question, voice, line, bench, scene) {
  const { studio } = bench;
  const from = line.messages.length;
  const { endS } = voice.say(question);
  const frames = () => line.messages.filter(({ message }) => message.data?.type === "frame");
  const answered = () => {
    const at = onsetS(line.ear.heard(endS + GUARD_S), studio.rateHz);
    return at === undefined ? undefined : at + GUARD_S;
  };
  const row = { scene, ttfab_ms: undefined, gateway_ms: undefined, fps: 0 };
  const timeoutMs = (endS - studio.nowS + ANSWER_TIMEOUT_S) * 1000;
  try {
    row.ttfab_ms = round((await line.until(answered, timeoutMs, "an answer", 50)) * 1000);
  } catch (problem) {
    if (line.ended || bench.signal.aborted) throw problem;
    bench.log(problem.message);
    return row;
  }
  const nowMs = performance.now();
  row.fps = round((frames().filter(({ atMs }) => nowMs - atMs < FPS_WINDOW_MS).length * 1000) / FPS_WINDOW_MS, 2);
  await line.message(({ type }) => type === "bot-stopped-speaking", 60_000, "the end of the answer", from);
  const isTtfab = ({ data }) => data?.type === "ttfab" && data.to === "payload" && data.trigger === "speech";
  row.gateway_ms = line.messages.slice(from).find(({ message }) => isTtfab(message))?.message.data.ms;
  bench.log(`${scene}: ${row.ttfab_ms} ms, by the gateway ${row.gateway_ms ?? "–"} ms, ${row.fps} fps`);
  return row;
}

/** @returns {import("../runner.js").Found} */
function result(rows) {
  const answered = rows.filter(({ ttfab_ms: ms }) => ms !== undefined);
  const times = answered.map(({ ttfab_ms: ms }) => ms);
  const line = fit(
    answered.map(({ fps }) => fps),
    times,
  );
  const gateway = answered.map(({ gateway_ms: ms }) => ms).filter((ms) => ms !== undefined);
  return {
    numbers: {
      asked: rows.length,
      answered: answered.length,
      p50_ms: round(quantile(times, 0.5)),
      p95_ms: round(quantile(times, 0.95)),
      gateway_p50_ms: round(quantile(gateway, 0.5)),
      slope_ms_per_fps: line && round(line.slope),
      sure_slope_ms_per_fps: line && round(Math.max(0, sureSlope(line))),
    },
    details: [
      {
        kind: "chart",
        type: "scatter",
        caption: "Time to the first sound against the frame rate",
        x: "frames a second",
        y: "ms",
        line: line && { slope: line.slope, intercept: line.intercept },
        series: [{ name: "answers", points: answered.map(({ fps, ttfab_ms: ms }) => [fps, ms]) }],
      },
    ],
  };
}
