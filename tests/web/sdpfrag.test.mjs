import assert from "node:assert/strict";
import { test } from "node:test";

import { answerWith, bundleOf, fragment } from "../../web/js/sdpfrag.js";

const OFFER = [
  "v=0",
  "a=group:BUNDLE a 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:EsAw",
  "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
  "a=mid:a",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=ice-ufrag:EsAw",
  "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
  "a=mid:1",
  "",
].join("\r\n");
const BUNDLE = { ufrag: "EsAw", pwd: "P2uYro0UCOQ4zxjKXaWCBui1", mid: "a" };

test("the bundle is that of the first section", () => {
  assert.deepEqual(bundleOf(OFFER), BUNDLE);
});

test("an offer without credentials is a defect", () => {
  assert.throws(() => bundleOf("v=0\r\n"), /a=ice-ufrag/);
});

test("a fragment has credentials, the section, the candidates, and the end only when it is the end", () => {
  const head = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:a\r\n";
  const candidate = "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host";
  assert.equal(fragment(BUNDLE, [candidate], false), `${head}a=${candidate}\r\n`);
  assert.equal(fragment(BUNDLE, [], true), `${head}a=end-of-candidates\r\n`);
});

test("the answer after a restart has the gateway's new addresses, in its first section only", () => {
  const answer = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
    "a=ice-ufrag:old",
    "a=ice-pwd:older",
    "a=mid:0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=ice-ufrag:old",
    "a=ice-pwd:older",
    "",
  ].join("\r\n");
  const restarted = "a=ice-ufrag:new\r\na=ice-pwd:newer\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:2 1 udp 1 192.0.2.2 2 typ host\r\n";
  assert.deepEqual(answerWith(answer, restarted).split("\r\n"), [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "a=candidate:2 1 udp 1 192.0.2.2 2 typ host",
    "a=ice-ufrag:new",
    "a=ice-pwd:newer",
    "a=mid:0",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=ice-ufrag:new",
    "a=ice-pwd:newer",
    "",
  ]);
});
