// Owns the check of the ways to the gateway: directly, and over each TURN server. It must not know what a call says.
// Invariant: each way is tried alone, by a whole call, and counts when media could flow.

import { round } from "../numbers.js";

/** @type {import("../runner.js").Check} */
export const connectivity = {
  id: "connectivity",
  title: "Ways to the gateway",
  about: "A call on each way alone: directly over UDP, and through each TURN server over UDP, TCP and TLS.",
  async run(bench) {
    const relays = bench.iceServers.flatMap((server) =>
      [server.urls].flat().filter((url) => url.startsWith("turn")).map((url) => ({ ...server, urls: url })),
    );
    const ways = [await tried(bench, "directly", { iceServers: [], iceTransportPolicy: "all" })];
    for (const server of relays) {
      ways.push(await tried(bench, `over ${nameOf(server.urls)}`, { iceServers: [server], iceTransportPolicy: "relay" }));
    }
    const times = ways.map(({ connectMs }) => connectMs).filter((ms) => ms !== undefined);
    return {
      numbers: { ways, slowest_ms: times.length ? Math.max(...times) : undefined },
      details: [
        {
          kind: "table",
          caption: "Ways",
          head: ["Way", "Connected in ms", "Pair", "Hint"],
          rows: ways.map(({ way, connectMs, pair, hint }) => [way, connectMs ?? "never", pair ?? "", hint ?? ""]),
        },
      ],
    };
  },
};

async function tried(bench, way, configuration) {
  const microphone = bench.studio.voice().track;
  try {
    const line = await bench.line({ mode: "echo", network: "", microphone, configuration });
    const { openedMs, connectedMs } = line.peer;
    const pair = await selected(line.peer);
    line.close();
    bench.log(`${way}: ${pair}`);
    return { way, connectMs: round(connectedMs - openedMs), pair };
  } catch (problem) {
    bench.signal.throwIfAborted();
    bench.log(`${way}: ${problem.message}`);
    return { way, hint: hintFor(configuration, problem) };
  }
}

async function selected(peer) {
  const report = await peer.getStats();
  const transport = [...report.values()].find(({ type }) => type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId);
  const local = report.get(pair?.localCandidateId);
  const protocol = local?.relayProtocol ? ` over ${local.relayProtocol}` : "";
  return `${local?.candidateType ?? "?"}${protocol} to ${report.get(pair?.remoteCandidateId)?.candidateType ?? "?"}`;
}

function hintFor({ iceTransportPolicy }, problem) {
  if (iceTransportPolicy === "relay") {
    return `${problem.message} If the servers' own card passes, the relay does not reach the gateway (allowed-peer-ip)`;
  }
  return (
    `${problem.message} UDP to the gateway is blocked, or it names addresses that cannot be reached ` +
    "(GATEWAY_UDP_PORT, GATEWAY_UDP_ADVERTISED)"
  );
}

function nameOf(url) {
  const [scheme, rest] = url.split(/:(.*)/);
  const transport = scheme === "turns" ? "TLS" : (/transport=(\w+)/.exec(rest)?.[1] ?? "udp").toUpperCase();
  return `TURN/${transport}`;
}
