// Owns the text of `application/trickle-ice-sdpfrag` (RFC 8840). It must not know peers or HTTP.
// Invariant: a fragment names the ICE credentials its candidates belong to, and only the section that carries the
// bundle; every line ends with CRLF.

/**
 * What a fragment needs to know of the offer it belongs to.
 * @param {string} sdp an offer
 * @returns {{ufrag: string, pwd: string, mid: string}} of its first section, which carries the bundle
 */
export function bundleOf(sdp) {
  const first = (name) => {
    const found = new RegExp(`^a=${name}:(\\S+)`, "m").exec(sdp);
    if (!found) throw new Error(`the offer has no a=${name}`);
    return found[1];
  };
  return { ufrag: first("ice-ufrag"), pwd: first("ice-pwd"), mid: first("mid") };
}

/**
 * The gateway's answer after an ICE restart: the answer before, with the address of the fragment.
 * @param {string} answer SDP
 * @param {string} restarted the fragment that the gateway sent
 * @returns {string}
 */
export function answerWith(answer, restarted) {
  const { ufrag, pwd } = bundleOf(restarted);
  const candidates = restarted.split(/\r?\n/).filter((line) => line.startsWith("a=candidate:"));
  let placed = false;
  const lines = answer.split(/\r?\n/).flatMap((line) => {
    if (line.startsWith("a=candidate:")) return [];
    if (line.startsWith("a=ice-ufrag:")) {
      const first = placed ? [] : candidates;
      placed = true;
      return [...first, `a=ice-ufrag:${ufrag}`];
    }
    return [line.startsWith("a=ice-pwd:") ? `a=ice-pwd:${pwd}` : line];
  });
  return lines.join("\r\n");
}

/**
 * The body of one PATCH.
 * @param {{ufrag: string, pwd: string, mid: string}} bundle
 * @param {string[]} candidates as `RTCIceCandidate.candidate` has them: `candidate:…`
 * @param {boolean} complete no more candidates follow
 * @returns {string}
 */
export function fragment({ ufrag, pwd, mid }, candidates, complete) {
  const lines = [
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    "m=audio 9 UDP/TLS/RTP/SAVPF 0",
    `a=mid:${mid}`,
    ...candidates.map((candidate) => `a=${candidate}`),
  ];
  if (complete) lines.push("a=end-of-candidates");
  return lines.map((line) => `${line}\r\n`).join("");
}
