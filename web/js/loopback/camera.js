// Owns a camera without a lens: pictures that are drawn, as a video track. It must not know peers or checks.
// Invariant: a picture is drawn only in the scenes that have one; after `stop` none is.

import { COLUMNS, fieldsOf, ROWS } from "./timecode.js";

export const WIDTH = 640;
export const HEIGHT = 480;
const FPS = 15;
const STILL_FPS = 5; // encoders need a picture now and then also of what does not move

/** @typedef {"none" | "still" | "moving" | "time"} Scene */

/** A drawn camera; `time` shows the page's own clock as black and white fields. */
export class DrawnCamera {
  #pen;
  #timer;
  #drawn = 0;

  constructor() {
    const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
    this.#pen = canvas.getContext("2d", { alpha: false });
    drawScene(this.#pen);
    /** @type {MediaStreamTrack} */
    this.track = canvas.captureStream(FPS).getVideoTracks()[0];
  }

  /** @param {Scene} scene */
  show(scene) {
    clearInterval(this.#timer);
    if (scene === "none") return;
    const draw = { still: drawScene, moving: drawSquare, time: drawTime }[scene];
    const once = () => draw(this.#pen, this.#drawn++);
    once();
    this.#timer = setInterval(once, 1000 / (scene === "still" ? STILL_FPS : FPS));
  }

  stop() {
    clearInterval(this.#timer);
    this.track.stop();
  }
}

function drawScene(pen) {
  for (let row = 0; row < 12; row += 1) {
    for (let column = 0; column < 16; column += 1) {
      pen.fillStyle = `rgb(${30 + column * 12}, ${30 + row * 16}, ${(row + column) % 2 ? 150 : 90})`;
      pen.fillRect(column * 40, row * 40, 40, 40);
    }
  }
}

function drawSquare(pen, index) {
  drawScene(pen);
  pen.fillStyle = "rgb(240, 220, 30)";
  pen.fillRect((index * 37) % (WIDTH - 240), (index * 23) % (HEIGHT - 240), 240, 240);
}

function drawTime(pen) {
  const [width, height] = [WIDTH / COLUMNS, HEIGHT / ROWS];
  fieldsOf(performance.now()).forEach((isWhite, index) => {
    pen.fillStyle = isWhite ? "#fff" : "#000";
    pen.fillRect((index % COLUMNS) * width, Math.floor(index / COLUMNS) * height, width, height);
  });
}
