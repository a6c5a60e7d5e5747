// Owns the check that the gateway refuses what it must (requests that are too large, of no kind, or for nobody), and that
// a call is told its limits. It must not use anything up: what is refused for being too much is left to the gateway's own
// tests.
// Invariant: every refusal is a sentence (RFC 9457), and nothing is left behind.

const LIMITS_TIMEOUT_MS = 5_000;
const SDP = { "Content-Type": "application/sdp" };
const LARGE = "v=0\r\n".padEnd(70_000, "a");

/** @type {import("../runner.js").Check} */
export const limits = {
  id: "limits",
  title: "Limits",
  about: "Requests that are too large, of no kind or for nobody: each must be refused, in words. A call is told its limits.",
  async run(bench) {
    const allowed = bench.token ? { Authorization: `Bearer ${bench.token}` } : {};
    const answers = [];
    const rows = [];
    const ask = async (what, path, init, expected) => {
      const response = await fetch(path, { ...init, headers: { ...allowed, ...init.headers }, cache: "no-store" });
      const said = await response.json().catch(() => ({}));
      answers.push({ what, status: said.detail || response.ok ? response.status : 0, expected });
      rows.push([what, response.status, said.code ?? "", said.detail ?? ""]);
    };
    await ask("an offer of 70 kB", "/v1/sessions", { method: "POST", headers: SDP, body: LARGE }, [413]);
    await ask("an offer that is none", "/v1/sessions", { method: "POST", headers: SDP, body: "hello" }, [400]);
    await ask("an offer as JSON", "/v1/sessions", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }, [415]);
    await ask("a session of nobody", "/v1/sessions/nobody/stats", {}, [404]);
    await ask("the end of a session of nobody", "/v1/sessions/nobody", { method: "DELETE" }, [404]);
    await ask("a test mode that does not exist", "/v1/sessions?mode=nonsense", { method: "POST", headers: SDP, body: minimal() }, [400, 403]);
    await ask("a path of nothing", "/v1/nothing", {}, [404]);
    const told = await toldLimits(bench);
    return {
      numbers: { answers, ends_in_s: told?.left_s },
      details: [
        { kind: "table", caption: "Requests", head: ["What", "Status", "Code", "Words"], rows },
        { kind: "table", caption: "Limits of a call", head: ["What", "Value"], rows: Object.entries(told ?? {}).map(readable) },
      ],
    };
  },
};

/** What a call that has just gone live is told. */
async function toldLimits(bench) {
  const isLimits = ({ data }) => data?.type === "limits";
  try {
    const line = await bench.line({ mode: "echo", microphone: bench.studio.voice().track });
    return (await line.message(isLimits, LIMITS_TIMEOUT_MS, "the limits of the call", 0)).message.data;
  } catch (problem) {
    bench.signal.throwIfAborted();
    return bench.log(problem.message);
  }
}

const readable = ([name, value]) => [name, value === null ? "none" : String(value)];

/** An offer that is well-formed enough to be read. */
function minimal() {
  const lines = [
    ...["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"],
    ...["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv", "a=rtcp-mux"],
    ...["a=rtpmap:111 opus/48000/2", "a=ice-ufrag:abcd", `a=ice-pwd:${"x".repeat(24)}`, "a=setup:actpass"],
    `a=fingerprint:sha-256 ${Array(32).fill("00").join(":")}`,
  ];
  return lines.map((line) => `${line}\r\n`).join("");
}
