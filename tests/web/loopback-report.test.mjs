import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { HEIGHT, marks, swatch, ticks, WIDTH } from "../../web/js/loopback/chart.js";
import { BUDGETS_SCHEMA, compare, parseBudgets, parseReport, redacted, report, SCHEMA } from "../../web/js/loopback/report.js";
import { plainWords } from "../../web/js/loopback/words.js";

const CHECK = { title: "T", reason: "R.", numbers: {}, details: {}, log: [], duration_s: 1 };

function reportOf(...checks) {
  const budgets = { "a.ms": { warn: null, fail: 100 }, "a.dbfs": { warn: -40, fail: -60, below: true } };
  return report({ budgets, checks: checks.map((check) => ({ ...CHECK, ...check })) });
}

test("a report counts its verdicts and is as bad as its worst check", () => {
  const made = reportOf({ id: "a", verdict: "PASS" }, { id: "b", verdict: "WARN" }, { id: "c", verdict: "SKIP" });
  assert.equal(made.schema, SCHEMA);
  assert.equal(made.verdict, "WARN");
  assert.deepEqual(made.counts, { PASS: 1, WARN: 1, FAIL: 0, SKIP: 1 });
});

test("what became worse or better since an earlier run is told, with the numbers that moved", () => {
  const before = reportOf(
    { id: "a", verdict: "PASS", numbers: { ms: 10, n: 3, words: "x" } },
    { id: "b", verdict: "FAIL" },
    { id: "d", verdict: "SKIP" },
  );
  const now = reportOf(
    { id: "a", verdict: "FAIL", numbers: { ms: 90, n: 3, words: "y", fresh: 1 } },
    { id: "b", verdict: "WARN" },
    { id: "c", verdict: "PASS" },
    { id: "d", verdict: "FAIL" },
  );
  assert.deepEqual(
    compare(now, before).map(({ id, change, numbers }) => [id, change, numbers]),
    [
      ["a", "worse", [{ name: "ms", was: 10, is: 90, change: "worse" }]],
      ["b", "better", []],
      ["c", "new", []],
      ["d", "same", []],
    ],
  );
});

test("a number that moved by more than a quarter of its budget is better or worse, whichever way is good", () => {
  const moved = (from, to) => {
    const [before, now] = [from, to].map((numbers) => reportOf({ id: "a", verdict: "PASS", numbers }));
    const [{ change, regressed, numbers }] = compare(now, before);
    assert.equal(change, "same");
    return [regressed, ...numbers.map((one) => one.change)];
  };
  assert.deepEqual(moved({ ms: 10 }, { ms: 36 }), [true, "worse"]);
  assert.deepEqual(moved({ ms: 36 }, { ms: 10 }), [false, "better"]);
  assert.deepEqual(moved({ ms: 10 }, { ms: 30 }), [false, undefined]);
  assert.deepEqual(moved({ dbfs: -20 }, { dbfs: -35 }), [true, "worse"]);
  assert.deepEqual(moved({ dbfs: -35 }, { dbfs: -20 }), [false, "better"]);
  assert.deepEqual(moved({ chirps: 1 }, { chirps: 900 }), [false, undefined]);
});

test("a file that is no report is refused in words", () => {
  assert.throws(() => parseReport("{"), /not JSON/);
  assert.throws(() => parseReport('{"schema":"other","checks":[]}'), /not a report of this page/);
  const made = reportOf({ id: "a", verdict: "PASS" });
  assert.deepEqual(parseReport(JSON.stringify(made)), JSON.parse(JSON.stringify(made)));
});

test("budgets of a file replace what they name, and nothing else", () => {
  const known = { "a.ms": { words: "w", unit: "ms", warn: 1, fail: 2, why: "y" }, "b.ms": { words: "w", warn: 3, fail: null } };
  const file = (budgets) => JSON.stringify({ schema: BUDGETS_SCHEMA, budgets });
  const read = parseBudgets(file({ "a.ms": { fail: 9, words: "changed" } }), known);
  assert.deepEqual(read, { ...known, "a.ms": { ...known["a.ms"], fail: 9 } });
  assert.equal(known["a.ms"].fail, 2);
  assert.equal(parseBudgets(file({ "a.ms": { warn: null } }), known)["a.ms"].warn, null);
  assert.throws(() => parseBudgets(file({ "c.ms": { fail: 1 } }), known), /no number c\.ms/);
  assert.throws(() => parseBudgets(file({ "a.ms": { fail: "1" } }), known), /a\.ms has "1" for fail/);
  assert.throws(() => parseBudgets("[]", known), /no budgets/);
  assert.throws(() => parseBudgets("nothing", known), /not JSON/);
});

test("a description in a report has neither addresses nor credentials", () => {
  const sdp = [
    "v=0",
    "o=- 4611731400430051336 2 IN IP4 192.0.2.7",
    "c=IN IP6 2001:db8::7",
    "a=rtcp:9 IN IP4 192.0.2.7",
    "a=ice-ufrag:SeCr",
    "a=ice-pwd:VerySecretIndeed",
    "a=fingerprint:sha-256 AB:CD:EF",
    "a=candidate:1 1 udp 2122 192.0.2.7 5000 typ host generation 0 ufrag SeCr network-cost 999",
    "a=candidate:2 1 udp 1677 198.51.100.9 6000 typ srflx raddr 192.0.2.7 rport 5000 generation 0",
    "a=candidate:3 1 tcp 1518 0a1b2c.local 9 typ host tcptype active",
    "a=rtpmap:111 opus/48000/2",
  ].join("\r\n");
  const clean = redacted(sdp);
  assert.doesNotMatch(clean, /192\.0\.2|198\.51|2001:db8|SeCr|VerySecret|AB:CD|0a1b2c/);
  assert.match(clean, /typ srflx raddr \(redacted\) rport 0 generation 0/);
  assert.match(clean, /typ host tcptype active/);
  assert.match(clean, /opus\/48000\/2/);
  assert.equal(clean.split("\n").length, sdp.split("\n").length);
});

test("axes are round and cover what there is", () => {
  assert.deepEqual(ticks(0, 9.7), [0, 5, 10]);
  assert.deepEqual(ticks(3, 3), [3, 4]);
  for (const [least, most] of [[-3, 812], [0, 0.07], [100, 101], [0, 0]]) {
    const found = ticks(least, most);
    assert.ok(found[0] <= least && found.at(-1) >= most && found.length >= 2 && found.length <= 8, `${found}`);
  }
});

test("a chart's marks lie inside of it, and of nothing there is no chart", () => {
  const series = [{ name: "a", points: [[0, 5], [1, 900], [2, -3]] }];
  for (const kind of ["line", "scatter"]) {
    const found = marks(kind, series, { x: "s", y: "ms", line: { slope: 9000, intercept: 0 } });
    for (const { attributes } of found) {
      for (const [name, value] of Object.entries(attributes)) {
        if (/^x\d?$/.test(name)) assert.ok(value >= 0 && value <= WIDTH, `${name} ${value}`);
        if (/^y\d?$/.test(name)) assert.ok(value >= 0 && value <= HEIGHT, `${name} ${value}`);
      }
      for (const corner of attributes.points?.split(" ") ?? []) {
        const [x, y] = corner.split(",").map(Number);
        assert.ok(x >= 0 && x <= WIDTH && y >= 0 && y <= HEIGHT, corner);
      }
    }
    assert.equal(found.filter(({ tag }) => tag === (kind === "line" ? "polyline" : "polygon")).length, kind === "line" ? 1 : 3);
  }
  assert.equal(marks("line", [{ name: "a", points: [] }], { x: "", y: "" }), undefined);
});

test("four series are told apart without their colour, and each has one", () => {
  const css = readFileSync(new URL("../../web/loopback.css", import.meta.url), "utf8");
  const indices = [0, 1, 2, 3];
  assert.equal(new Set(indices.map((index) => swatch("scatter", index).attributes.points)).size, 4);
  const dashes = indices.map((index) => new RegExp(`\\.series\\.s${index} \\{\\s+stroke-dasharray: ([^;]+);`).exec(css)?.[1]);
  assert.equal(new Set(dashes).size, 4, "one of them is a whole line");
  const colours = indices.map((index) => new RegExp(`^\\.s${index} \\{\\s+--series: ([^;]+);`, "m").exec(css)?.[1]);
  assert.equal(new Set(colours).size, 4);
  assert.ok(!colours.includes(undefined));
  const points = indices.map((index) => ({ name: `${index}`, points: /** @type {[number, number][]} */ ([[index, index]]) }));
  for (const kind of /** @type {const} */ (["line", "scatter"])) {
    const classes = marks(kind, points, { x: "s", y: "ms" }).map(({ attributes }) => attributes.class);
    for (const index of indices) assert.ok(classes.includes(swatch(kind, index).attributes.class));
  }
});

test("values are written as words, and lists of objects are left to their tables", () => {
  assert.deepEqual(
    [1.5, "x", true, null, undefined, ["a", "b"], [], { over_60_ms: 3, late: 0 }, [{ way: "directly" }], { a: { b: 1 } }].map(plainWords),
    ["1.5", "x", "true", "null", "undefined", "a, b", "none", "over 60 ms 3, late 0", undefined, undefined],
  );
});
