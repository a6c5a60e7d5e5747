// Owns the forms in which a report leaves the page: JUnit XML, CSV, Markdown, WAV, ZIP. It must not know the page.
// Invariant: whatever is in a report, what comes out is well formed.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
const DOS_EPOCH = 0x0021; // 1 January 1980: the pictures' own names carry their times

/**
 * For continuous integration: a check is a test case, FAIL a failure, SKIP skipped; a warning is told in its output.
 * @param {import("./report.js").Report} report
 * @returns {string}
 */
export function junit({ checks, counts, created, duration_s: durationS }) {
  const cases = checks.map(({ id, verdict, reason, numbers, log, duration_s: lasted }) => {
    const inside = [];
    if (verdict === "FAIL") inside.push(`<failure message="${xml(reason)}"/>`);
    if (verdict === "SKIP") inside.push(`<skipped message="${xml(reason)}"/>`);
    inside.push(`<system-out>${xml([`${verdict}: ${reason}`, JSON.stringify(numbers), ...log].join("\n"))}</system-out>`);
    return `  <testcase classname="loopback" name="${xml(id)}" time="${lasted}">${inside.join("")}</testcase>`;
  });
  const head =
    `<testsuite name="loopback" tests="${checks.length}" failures="${counts.FAIL}" skipped="${counts.SKIP}" ` +
    `errors="0" time="${durationS}" timestamp="${xml(created)}">`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...cases, "</testsuite>", ""].join("\n");
}

/**
 * The answers of the TTFAB run.
 * @param {object[]} rows of one shape
 * @returns {string} RFC 4180
 */
export function csv(rows) {
  if (!rows.length) return "";
  const names = Object.keys(rows[0]);
  const cell = (value) => {
    const text = value === undefined || value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => row[name]))]
    .map((cells) => `${cells.map(cell).join(",")}\r\n`)
    .join("");
}

/**
 * For a ticket.
 * @param {import("./report.js").Report} report
 * @returns {string}
 */
export function markdown({ verdict, counts, created, gateway, page, settings, checks }) {
  const cell = (text) => String(text).replaceAll("|", "\\|").replaceAll("\n", " ");
  const lines = [
    `# Loopback: ${verdict}`,
    "",
    `${counts.PASS} passed, ${counts.WARN} warned, ${counts.FAIL} failed, ${counts.SKIP} skipped. ${created}.`,
    "",
    `- Gateway ${gateway.version}, upstream ${gateway.upstream} (${gateway.model}), settings ${gateway.settings_hash}`,
    `- Page ${page.version}, ${page.user_agent}`,
    `- ${Object.entries(settings)
      .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
      .join(", ")}`,
    "",
    "| check | verdict | reason |",
    "| --- | --- | --- |",
    ...checks.map((check) => `| ${cell(check.title)} | ${check.verdict} | ${cell(check.reason)} |`),
    "",
  ];
  for (const { title, verdict: found, numbers } of checks) {
    if (found !== "FAIL" && found !== "WARN") continue;
    lines.push(`## ${title}: ${found}`, "", "```json", JSON.stringify(numbers, null, 2), "```", "");
  }
  return lines.join("\n");
}

/**
 * @param {Float32Array} samples mono
 * @param {number} rateHz
 * @returns {Uint8Array} 16-bit PCM
 */
export function wav(samples, rateHz) {
  const bytes = new Uint8Array(44 + samples.length * 2);
  const view = new DataView(bytes.buffer);
  const text = (at, letters) => [...letters].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, index) => {
    view.setInt16(44 + index * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  });
  return bytes;
}

/**
 * Sounds one after another, a second of silence between them.
 * @param {Float32Array[]} sounds
 * @param {number} rateHz of all of them
 * @returns {Float32Array}
 */
export function joinedSounds(sounds, rateHz) {
  const sizes = sounds.map((sound) => sound.length + rateHz);
  const all = new Float32Array(Math.max(0, sizes.reduce((sum, size) => sum + size, 0) - rateHz));
  let at = 0;
  sounds.forEach((sound, index) => {
    all.set(sound, at);
    at += sizes[index];
  });
  return all;
}

/**
 * An archive of files as they are: pictures do not get smaller.
 * @param {{name: string, data: Uint8Array}[]} files
 * @returns {Uint8Array}
 */
export function zip(files) {
  const encoder = new TextEncoder();
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const { name, data } of files) {
    const encoded = encoder.encode(name);
    const facts = [20, 0x0800, 0, 0, DOS_EPOCH]; // version, names are UTF-8, stored, time, date
    const local = record(0x04034b50, facts, [crc32(data), data.length, data.length], [encoded.length, 0]);
    parts.push(local, encoded, data);
    const tail = [encoded.length, 0, 0, 0, 0];
    directory.push(
      record(0x02014b50, [20, ...facts], [crc32(data), data.length, data.length], tail, [0, offset]),
      encoded,
    );
    offset += local.length + encoded.length + data.length;
  }
  const directoryBytes = directory.reduce((size, part) => size + part.length, 0);
  const end = record(0x06054b50, [0, 0, files.length, files.length], [directoryBytes, offset], [0]);
  return joined([...parts, ...directory, end]);
}

/** A signature, then words of two bytes, of four, of two and of four, little-endian. */
function record(signature, shorts, longs, moreShorts = [], moreLongs = []) {
  const bytes = new Uint8Array(4 + 2 * (shorts.length + moreShorts.length) + 4 * (longs.length + moreLongs.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  let at = 4;
  const put = (values, size, set) => {
    for (const value of values) {
      view[set](at, value, true);
      at += size;
    }
  };
  put(shorts, 2, "setUint16");
  put(longs, 4, "setUint32");
  put(moreShorts, 2, "setUint16");
  put(moreLongs, 4, "setUint32");
  return bytes;
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function xml(text) {
  return String(text)
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, "?")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
