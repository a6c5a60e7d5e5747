// Owns the check of what the gateway makes of this device's microphone and camera. It must not judge the devices alone:
// other checks do.
// Invariant: what is judged happened during the check; the JPEG that is shown is the one the model got.

import { round } from "../numbers.js";
import { isBlack, sketch } from "../pictures.js";
import { plainWords } from "../words.js";
import { opened } from "./devices.js";

const MADE_UP = ["concealed", "silent"];
const DROPPED = ["overflowed", "undecodable", "superseded", "not_wanted", "unencodable"];

/** @type {import("../runner.js").Check} */
export const gatewayView = {
  id: "gateway_view",
  title: "The gateway's view",
  about: "A call with this device's microphone and camera: what the gateway decoded, and the JPEG it made.",
  async run(bench) {
    const microphone = await opened("microphone");
    const camera = await opened("camera").catch((problem) => void bench.log(problem.message));
    const line = await bench.line({ mode: "echo", microphone, camera });
    const before = await line.view();
    let loudest = -127;
    for (let second = 0; second < bench.length.viewS; second += 1) {
      await bench.wait(1);
      loudest = Math.max(loudest, (await line.view()).peer?.audio.rms_dbov ?? -127);
    }
    const after = await line.view();
    const seen = camera && (await seenBy(line, bench));
    const numbers = numbersOf(before.peer, after.peer, loudest, camera, seen);
    return { numbers: { ...numbers, camera_refused: line.cameraRefused }, details: detailsOf(after, seen) };
  },
};

function numbersOf(before, after, loudest, camera, seen) {
  const soundMs = (how) => (after?.audio.shares_ms[how] ?? 0) - (before?.audio.shares_ms[how] ?? 0);
  const audioMs = Object.keys(after?.audio.shares_ms ?? {}).reduce((sum, how) => sum + soundMs(how), 0);
  const madeUpMs = MADE_UP.reduce((sum, how) => sum + soundMs(how), 0);
  const { audio, video } = after ?? {};
  const packets = (which) => (audio?.[which] ?? 0) - (before?.audio[which] ?? 0);
  const [expected, received] = [packets("packets_expected"), packets("packets_received")];
  const dropped = DROPPED.filter((why) => video?.[why]).map((why) => `${video[why]} ${why.replace("_", " ")}`);
  return {
    audio_ms: audioMs,
    rms_dbov: loudest,
    loss_percent: expected > 0 ? round((100 * Math.max(0, expected - received)) / expected, 1) : undefined,
    made_up_percent: audioMs ? round((100 * madeUpMs) / audioMs, 1) : undefined,
    gaps_over_200_ms: (audio?.gaps.over_200_ms ?? 0) - (before?.audio.gaps.over_200_ms ?? 0),
    delay_ms: audio?.delay_ms,
    has_camera: Boolean(camera),
    frames_whole: video?.whole ?? 0,
    frames_sampled: video?.sampled ?? 0,
    dropped: dropped.join(", "),
    encode_ms: video?.sampled ? round(video.encode_ms / video.sampled, 1) : undefined,
    jpeg_bytes: video?.newest_bytes,
    frame_is_black: seen ? seen.isBlack : undefined,
  };
}

/** The newest JPEG, looked at as the model does. */
async function seenBy(line, bench) {
  const frame = await line.frame().catch((problem) => bench.log(problem.message));
  if (!frame) return undefined;
  const bitmap = await createImageBitmap(frame.picture);
  const { width, height } = bitmap;
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  pen.drawImage(bitmap, 0, 0);
  bench.keepPicture(frame.id, frame.picture);
  const points = sketch(pen.getImageData(0, 0, width, height).data, width, height);
  return { ...frame, width, height, isBlack: isBlack(points) };
}

/** @returns {import("../runner.js").Found["details"]} */
function detailsOf(after, seen) {
  /** @returns {import("../runner.js").Table} */
  const table = (caption, values) => ({
    kind: "table",
    caption,
    head: ["What", "Value"],
    rows: Object.entries(values ?? {}).map(([name, value]) => [name, plainWords(value) ?? JSON.stringify(value)]),
  });
  const { audio, video, ...peer } = after.peer ?? {};
  /** @type {import("../runner.js").Picture | undefined} */
  const picture = seen && {
    kind: "picture",
    picture: seen.picture,
    caption: `Frame ${seen.id}, ${seen.width} by ${seen.height}: the very JPEG that the gateway made`,
  };
  return [
    ...(picture ? [picture] : []),
    table("Microphone, as the gateway got it", audio),
    table("Camera, as the gateway got it", video),
    table("Connection", peer),
    table("Link to the model", after.link),
  ];
}
