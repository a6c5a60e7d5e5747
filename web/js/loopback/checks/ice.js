// Owns the check of the STUN and TURN servers: each is asked alone for its candidate. It must not know calls.
// Invariant: a server that refuses, or is not there, is told from one that is merely slow.

import { Skip } from "../bench.js";
import { round } from "../numbers.js";

const GATHER_TIMEOUT_MS = 10_000;
const HINTS = {
  401: "401 Unauthorized: the credentials are refused (another secret, or they have expired)",
  403: "403 Forbidden: the server does not relay for this client",
  486: "486: the server's quota for this user is used up",
  701: "701: the server cannot be reached (address, port, firewall, or its certificate)",
};

/** @type {import("../runner.js").Check} */
export const ice = {
  id: "ice",
  title: "STUN and TURN servers",
  about: "Asks each server that the gateway names for its candidate, with the credentials the gateway gives.",
  async run(bench) {
    const urls = bench.iceServers.flatMap((server) => [server.urls].flat().map((url) => ({ ...server, urls: url })));
    if (!urls.length) throw new Skip("The gateway names no STUN or TURN server (GATEWAY_ICE_SERVERS).");
    const [servers, rows] = [[], []];
    for (const server of urls) {
      const wanted = server.urls.startsWith("turn") ? "relay" : "srflx";
      const { candidates, error, gatherMs } = await gathered(server, wanted);
      const found = [...new Set(candidates.map(({ type }) => type))];
      // A reflexive candidate that is the host's own is left out by browsers: no error is success, then.
      if (wanted === "srflx" && !error) found.push("srflx");
      servers.push({ url: server.urls, wanted, found, gather_ms: gatherMs, error });
      bench.log(`${server.urls}: ${found.join(", ") || "nothing"} in ${gatherMs} ms ${error ?? ""}`);
      rows.push(
        ...candidates.map(({ type, protocol, relayProtocol, atMs }) => [
          server.urls,
          type,
          relayProtocol ? `${protocol} over ${relayProtocol}` : protocol,
          atMs,
        ]),
      );
      if (error) rows.push([server.urls, "error", error, gatherMs]);
    }
    return {
      numbers: { servers, gather_ms: Math.max(...servers.map((server) => server.gather_ms)) },
      details: [{ kind: "table", caption: "Candidates", head: ["Server", "Type", "Protocol", "ms"], rows }],
    };
  },
};

async function gathered(server, wanted) {
  const beganMs = performance.now();
  const sinceMs = () => round(performance.now() - beganMs);
  const peer = new RTCPeerConnection({ iceServers: [server], iceTransportPolicy: wanted === "relay" ? "relay" : "all" });
  const [candidates, errors] = [[], []];
  try {
    await new Promise((resolve, reject) => {
      setTimeout(resolve, GATHER_TIMEOUT_MS);
      peer.addEventListener("icecandidate", ({ candidate }) => {
        if (!candidate) return resolve();
        if (candidate.candidate) candidates.push(told(candidate, sinceMs()));
        return undefined;
      });
      peer.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
        errors.push(HINTS[errorCode] ?? `${errorCode} ${errorText}`);
      });
      peer.addTransceiver("audio");
      peer.setLocalDescription().catch(reject);
    });
  } finally {
    peer.close();
  }
  const error = candidates.some(({ type }) => type === wanted) ? undefined : errors[0];
  return { candidates, error, gatherMs: sinceMs() };
}

/** @param {RTCIceCandidate & {relayProtocol?: string}} candidate @param {number} atMs since the beginning */
function told({ type, protocol, relayProtocol }, atMs) {
  return { type, protocol, relayProtocol, atMs };
}
