// Owns the check of how old pictures are when the model gets them: the time is drawn into them, and read back from the
// gateway's JPEG. It must not use this device's camera.
// Invariant: a picture's age is the time from its drawing to the moment the page was told that it had gone to the model.

import { DrawnCamera, HEIGHT, WIDTH } from "../camera.js";
import { quantile, round } from "../numbers.js";
import { ageMs, read } from "../timecode.js";

const FIRST_FRAME_MS = 10_000;

/** @type {import("../runner.js").Check} */
export const frameAge = {
  id: "frame_age",
  title: "Age of the model's pictures",
  about: "A drawn camera shows the time: how old it is in the JPEG the model got, and whether the picture is whole.",
  async run(bench) {
    const camera = new DrawnCamera();
    try {
      camera.show("time");
      const line = await bench.line({ mode: "echo", microphone: bench.studio.voice().track, camera: camera.track });
      await line.message(isFrame, FIRST_FRAME_MS, "the first frame").catch((problem) => bench.log(problem.message));
      const from = line.messages.length;
      const [seen, beganMs] = [[], performance.now()];
      const untilMs = beganMs + bench.length.ageS * 1000;
      for (let at = from; performance.now() < untilMs; ) {
        const next = line.messages.slice(at).findIndex(({ message }) => isFrame(message));
        if (next < 0) {
          await bench.wait(0.05);
          continue;
        }
        const told = line.messages[at + next];
        at += next + 1;
        const frame = await line.frame();
        if (frame.id === told.message.data.id) seen.push(await looked(frame, told, bench));
      }
      const told = line.messages.slice(from).filter(({ message }) => isFrame(message)).length;
      const { numbers, details } = result(seen, told, bench.length.ageS);
      return { numbers: { ...numbers, camera_refused: line.cameraRefused }, details };
    } finally {
      camera.stop();
    }
  },
};

const isFrame = (message) => message.data?.type === "frame";

async function looked({ id, picture }, { atMs }, bench) {
  const bitmap = await createImageBitmap(picture);
  const { width, height } = bitmap;
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  const timeMs = read(pen.getImageData(0, 0, width, height).data, width, height);
  bench.keepPicture(id, picture);
  return { id, width, height, picture, ageMs: timeMs === undefined ? undefined : ageMs(atMs, timeMs) };
}

/** @returns {import("../runner.js").Found} */
function result(seen, told, lastedS) {
  const ages = seen.map((one) => one.ageMs).filter((ms) => ms !== undefined);
  const newest = seen.at(-1);
  const aspect = newest ? newest.width / newest.height / (WIDTH / HEIGHT) : undefined;
  return {
    numbers: {
      pictures: seen.length,
      read: ages.length,
      unreadable_percent: seen.length ? round((100 * (seen.length - ages.length)) / seen.length) : undefined,
      p50_ms: round(quantile(ages, 0.5)),
      p95_ms: round(quantile(ages, 0.95)),
      fps: round(told / lastedS, 1),
      aspect_error_percent: aspect === undefined ? undefined : round(100 * Math.abs(aspect - 1), 1),
    },
    details: [
      ...pictureOf(newest),
      {
        kind: "chart",
        type: "line",
        caption: "Age of each frame",
        x: "frame",
        y: "ms",
        series: [
          {
            name: "age",
            points: seen.filter((one) => one.ageMs !== undefined).map((one) => [one.id, round(one.ageMs)]),
          },
        ],
      },
    ],
  };
}

/** @returns {import("../runner.js").Picture[]} */
function pictureOf(newest) {
  if (!newest) return [];
  const { picture, id, width, height } = newest;
  return [{ kind: "picture", picture, caption: `Frame ${id}, ${width} by ${height}` }];
}
