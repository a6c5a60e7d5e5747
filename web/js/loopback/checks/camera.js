// Owns the check of the camera by itself, before any network. It must not know calls.
// Invariant: the camera is closed when the check is over.

import { round } from "../numbers.js";
import { isBlack, isFrozen, sketch } from "../pictures.js";
import { opened, settingsOf } from "./devices.js";

const LOOK_S = 0.25; // longer than any camera takes for its next picture
/** @type {[number, number]} */
const SMALL = [160, 120];

/** @type {import("../runner.js").Check} */
export const camera = {
  id: "camera",
  title: "Camera",
  about: "How many pictures it gives, how large, and whether they are black or frozen.",
  async run(bench) {
    const track = await opened("camera");
    const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    const canvas = Object.assign(document.createElement("canvas"), { width: SMALL[0], height: SMALL[1] });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    try {
      video.srcObject = new MediaStream([track]);
      await video.play();
      const begin = { pictures: shown(video), ms: performance.now() };
      const sketches = [];
      const looks = Math.round(bench.length.listenS / LOOK_S);
      for (let look = 0; look < looks; look += 1) {
        await bench.wait(LOOK_S);
        pen.drawImage(video, 0, 0, ...SMALL);
        sketches.push(sketch(pen.getImageData(0, 0, ...SMALL).data, ...SMALL));
      }
      const pictures = shown(video) - begin.pictures;
      const black = sketches.filter(isBlack).length;
      const frozen = sketches.filter((points, index) => index > 0 && isFrozen(sketches[index - 1], points)).length;
      bench.log(track.label);
      return {
        numbers: {
          pictures,
          fps: round((1000 * pictures) / (performance.now() - begin.ms), 1),
          width: video.videoWidth,
          height: video.videoHeight,
          black_percent: round((100 * black) / sketches.length),
          frozen_percent: black ? 0 : round((100 * frozen) / Math.max(1, sketches.length - 1)),
        },
        details: [
          {
            kind: "table",
            caption: "The device",
            head: ["What", "Found"],
            rows: settingsOf(track),
          },
        ],
      };
    } finally {
      video.srcObject = null;
      track.stop();
    }
  },
};

function shown(video) {
  return video.getVideoPlaybackQuality().totalVideoFrames;
}
