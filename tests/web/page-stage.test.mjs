import assert from "node:assert/strict";
import { test } from "node:test";

import { Stage } from "../../web/js/page-stage.js";

const QUIET = { rmsDb: -80, peakDb: -70 };
const SPEECH = { rmsDb: -20, peakDb: -10 };

function made() {
  const style = { values: {}, setProperty: (name, value) => (style.values[name] = Number(value)) };
  const picture = { removeAttribute: (name) => delete picture[name] };
  const elements = {
    selfView: { dataset: {} },
    selfWords: {},
    stage: { style },
    turn: { dataset: {} },
    turnWords: {},
    seen: { hidden: true },
    lastFrame: picture,
    lastFrameAge: {},
  };
  const clock = { now: 5_000, nowMs: () => clock.now };
  return { clock, elements, light: () => style.values["--voice"], stage: new Stage(elements, clock) };
}

const frame = (id, ageMs) => ({ picture: new Blob(["x"]), id, age_ms: ageMs, width: 512, height: 384, bytes: 10_400 });

test("the age of the last frame is that of its taking, and grows until there is another one", () => {
  const { clock, elements, stage } = made();
  const age = () => elements.lastFrameAge.textContent;
  stage.age();
  assert.equal(age(), undefined, "of nothing there is no age");
  stage.frame(frame(7, 400));
  assert.deepEqual([elements.seen.hidden, age(), elements.lastFrame.title], [false, "Frame 7, 0.4 s old", "512×384, 10 KB"]);
  clock.now += 1_600;
  stage.age();
  assert.equal(age(), "Frame 7, 2.0 s old");
  clock.now += 10_000;
  stage.age();
  assert.equal(age(), "Frame 7, 12 s old");
  const before = elements.lastFrame.src;
  stage.frame(frame(8, 30));
  assert.equal(age(), "Frame 8, 0.0 s old");
  assert.notEqual(elements.lastFrame.src, before);
  stage.clear();
  assert.deepEqual([elements.seen.hidden, elements.lastFrame.src], [true, undefined]);
});

test("the model speaks as long as it is heard, whatever was said of turns", () => {
  const { elements, light, stage } = made();
  const said = () => elements.turnWords.textContent;
  stage.turn("thinking");
  stage.voice(QUIET);
  assert.deepEqual([said(), light() ?? 0], ["Thinking", 0]);
  stage.voice(SPEECH);
  assert.equal(said(), "Speaking");
  assert.ok(light() > 0.7 && light() < 1, "as loud as it is");
  stage.turn("listening");
  const lights = Array.from({ length: 30 }, () => {
    stage.voice(QUIET);
    return light();
  });
  assert.ok(lights[0] > 0.5 && lights.every((one, index) => !index || one <= lights[index - 1]), "it falls softly");
  assert.deepEqual([said(), lights.at(-1)], ["Listening", 0]);
  stage.voice(undefined);
  assert.equal(light(), 0, "where levels are not known there is no light");
});

test("a microphone that waits is said beside the turn", () => {
  const { elements, stage } = made();
  stage.turn("speaking");
  stage.hold(true);
  assert.equal(elements.turnWords.textContent, "Speaking; your microphone waits");
  stage.hold(false);
  assert.equal(elements.turnWords.textContent, "Speaking");
});
