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
