// Owns how points become a picture: scales, ticks and marks of a chart, as plain descriptions of SVG elements. It must
// not know the page or what is drawn.
// Invariant: every mark lies inside the frame; a chart without points is none.

export const WIDTH = 640;
export const HEIGHT = 260;
// Room for letters of 22 units: on a phone they are as large as elsewhere, and the chart is half as wide.
const LEFT = 72;
const RIGHT = 24;
const TOP = 36;
const BOTTOM = 58;
const TICKS = 4;
const RADIUS = 5; // of a point
// One for each series: a circle (of twelve corners), a square, a triangle, a diamond.
const CORNERS = [
  Array.from({ length: 12 }, (_, hour) => [Math.cos((hour * Math.PI) / 6), Math.sin((hour * Math.PI) / 6)]),
  [[-0.85, -0.85], [0.85, -0.85], [0.85, 0.85], [-0.85, 0.85]],
  [[0, -1.1], [1.05, 0.8], [-1.05, 0.8]],
  [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
];

/**
 * @typedef {{name: string, points: [number, number][]}} Series
 * @typedef {{tag: string, attributes: Record<string, string | number>, text?: string}} Mark
 */

/**
 * Round values for an axis that covers these.
 * @param {number} least
 * @param {number} most
 * @returns {number[]}
 */
export function ticks(least, most) {
  const span = most - least || Math.abs(most) || 1;
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const first = Math.floor(least / step) * step;
  const found = [];
  for (let index = 0; first + index * step < most + step; index += 1) {
    found.push(Number((first + index * step).toPrecision(12)));
  }
  return found.length > 1 ? found : [first, first + step];
}

/**
 * The marks of a chart.
 * @param {"line" | "scatter"} kind
 * @param {Series[]} series
 * @param {{x: string, y: string, line?: {slope: number, intercept: number}}} labels `line` is drawn through the points
 * @returns {Mark[] | undefined} undefined when there is no point
 */
export function marks(kind, series, { x: xLabel, y: yLabel, line }) {
  const points = series.flatMap((one) => one.points);
  if (!points.length) return undefined;
  const xs = ticks(...extent(points.map(([x]) => x)));
  const ys = ticks(...extent([...points.map(([, y]) => y), 0]));
  const x = scale(xs, LEFT, WIDTH - RIGHT);
  const y = scale(ys, HEIGHT - BOTTOM, TOP);
  const grid = [
    ...ys.flatMap((value) => [
      mark("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
      mark("text", { x: LEFT - 8, y: y(value) + 4, class: "tick end" }, label(value)),
    ]),
    ...xs.map((value) => mark("text", { x: x(value), y: HEIGHT - BOTTOM + 24, class: "tick middle" }, label(value))),
    mark("text", { x: WIDTH - RIGHT, y: HEIGHT - 8, class: "axis end" }, xLabel),
    mark("text", { x: 4, y: 18, class: "axis" }, yLabel),
  ];
  const drawn = series.flatMap(({ points: own }, index) =>
    kind === "line"
      ? [mark("polyline", { points: own.map(([px, py]) => `${x(px)},${y(py)}`).join(" "), class: `series s${index}` })]
      : own.map(([px, py]) => point(x(px), y(py), index)),
  );
  return [...grid, ...(line ? [through(line, xs, ys, x, y)] : []), ...drawn];
}

/**
 * What a series looks like, for a legend of 32 by 16.
 * @param {"line" | "scatter"} kind
 * @param {number} index of the series
 * @returns {Mark}
 */
export function swatch(kind, index) {
  return kind === "line" ? mark("polyline", { points: "0,8 32,8", class: `series s${index}` }) : point(16, 8, index);
}

/** One of each series, told apart by their shape as well as by their colour. */
function point(x, y, index) {
  const place = (middle, by) => Number((middle + by * RADIUS).toFixed(1));
  const corners = CORNERS[index].map(([dx, dy]) => `${place(x, dx)},${place(y, dy)}`);
  return mark("polygon", { points: corners.join(" "), class: `point s${index}` });
}

function through({ slope, intercept }, xs, ys, x, y) {
  const inside = (value) => Math.min(ys.at(-1), Math.max(ys[0], value));
  const [from, to] = [xs[0], xs.at(-1)];
  const ends = { x1: x(from), y1: y(inside(intercept + slope * from)), x2: x(to), y2: y(inside(intercept + slope * to)) };
  return mark("line", { ...ends, class: "trend" });
}

/** @returns {[number, number]} */
function extent(values) {
  return [Math.min(...values), Math.max(...values)];
}

function scale(values, from, to) {
  const [least, most] = [values[0], values.at(-1)];
  return (value) => Number((from + ((value - least) / (most - least)) * (to - from)).toFixed(1));
}

function label(value) {
  return Math.abs(value) >= 10_000 ? `${value / 1000}k` : String(value);
}

function mark(tag, attributes, text) {
  return { tag, attributes, text };
}
