// Owns the check of the browser: what a call needs of it, and its clock. It must not open devices or calls.
// Invariant: what is missing is named with what to do.

import { round } from "../numbers.js";

/** @typedef {[has: () => boolean, words: string]} Want what a browser should have, and what it means that it has not */

/** @type {Want[]} */
const NEEDED = [
  [() => window.isSecureContext, "this page is not secure: open it over HTTPS or on localhost"],
  [() => Boolean(navigator.mediaDevices?.getUserMedia), "it gives no microphone and no camera to this page"],
  [() => typeof RTCPeerConnection === "function", "it has no WebRTC, or an administrator switched it off"],
  [() => typeof WebSocket === "function", "it has no WebSocket"],
  [() => typeof AudioWorkletNode === "function", "it has no AudioWorklet, which this page measures sound with"],
  [() => codecs("audio").includes("opus"), "it cannot receive Opus"],
  [() => codecs("video").some((name) => ["VP8", "H264"].includes(name)), "it can send neither VP8 nor H.264"],
];
/** @type {Want[]} */
const WISHED = [
  [() => document.visibilityState === "visible", "this page is in the background, where browsers slow pages down"],
  [() => "wakeLock" in navigator, "the screen may go dark in a long run: no wake lock"],
];

/** @type {import("../runner.js").Check} */
export const environment = {
  id: "environment",
  title: "Environment",
  about: "What a call needs of this browser, and its clock against the gateway's.",
  async run() {
    const missing = NEEDED.filter(([has]) => !has()).map(([, words]) => words);
    const poor = WISHED.filter(([has]) => !has()).map(([, words]) => words);
    const { connection } = /** @type {any} */ (navigator); // Chromium's
    const rows = [
      ["Browser", navigator.userAgent],
      ["Languages", navigator.languages.join(", ")],
      ["Audio codecs", codecs("audio").join(", ")],
      ["Video codecs", codecs("video").join(", ")],
      ["Processors", String(navigator.hardwareConcurrency ?? "not told")],
      ["Network", connection?.effectiveType ?? "not told"],
    ];
    return {
      numbers: { missing, poor, clock_skew_s: await clockSkewS() },
      details: [{ kind: "table", caption: "This browser", head: ["What", "Found"], rows }],
    };
  },
};

function codecs(kind) {
  if (typeof RTCRtpReceiver !== "function") return [];
  const found = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  return [...new Set(found.map(({ mimeType }) => mimeType.split("/")[1]))];
}

/** The difference of the clocks, from a header that has whole seconds: within one it is not seen. */
async function clockSkewS() {
  const before = Date.now();
  const response = await fetch("/healthz", { cache: "no-store" });
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  if (Number.isNaN(theirs)) return undefined;
  const [earliest, latest] = [before - theirs - 1000, Date.now() - theirs];
  return round(Math.max(0, earliest, -latest) / 1000, 1);
}
