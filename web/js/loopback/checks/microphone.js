// Owns the check of the microphone by itself, before any network. It must not know calls.
// Invariant: the microphone is closed when the check is over.

import { peaks, rmsDbfs } from "../levels.js";
import { round } from "../numbers.js";
import { opened, settingsOf } from "./devices.js";

const WINDOW_S = 0.5; // the loudest half second: between words it is quiet

/** @type {import("../runner.js").Check} */
export const microphone = {
  id: "microphone",
  title: "Microphone",
  about: "Say something while this runs: how loud it is, whether it clips, whether the browser cancels echo.",
  async run(bench) {
    const track = await opened("microphone");
    const ear = bench.studio.ear();
    try {
      ear.listen(track);
      const fromS = bench.studio.nowS;
      await bench.wait(bench.length.listenS);
      const sound = ear.heard(fromS + 0.2); // the device's own beginning is not judged
      const { peakDbfs, clipped } = peaks(sound);
      bench.log(track.label);
      return {
        numbers: {
          rms_dbfs: round(loudest(sound, bench.studio.rateHz), 1),
          peak_dbfs: round(peakDbfs, 1),
          clipped_percent: round((100 * clipped) / Math.max(1, sound.length), 2),
          echo_cancellation: track.getSettings().echoCancellation,
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
      ear.close();
      track.stop();
    }
  },
};

function loudest(sound, rateHz) {
  const size = Math.round(WINDOW_S * rateHz);
  let best = rmsDbfs(sound.subarray(0, size));
  for (let at = size / 2; at + size <= sound.length; at += size / 2) {
    best = Math.max(best, rmsDbfs(sound.subarray(at, at + size)));
  }
  return best;
}
