// Owns the sentence that says, before a call, where voice and pictures go. It must not know the page.
// Invariant: it names the company that gets them, how many pictures a second, and how large, as the gateway is set.

const COMPANY = { gemini: "Google Gemini", vertex: "Google Vertex AI" };

/**
 * @param {import("./http.js").ClientConfig} config
 * @param {string} host of the gateway
 * @returns {string}
 */
export function consentWords({ upstream, model, video }, host) {
  const pictures = `up to ${number(video.fps_max)} a second, at most ${video.size_px} pixels wide`;
  if (upstream === "simulator") {
    return (
      "No key is set: you are talking to the built-in simulator, which says back what it heard. " +
      `Your voice and the pictures of your camera (${pictures}) stay on ${host}.`
    );
  }
  return (
    `During the call your voice and the pictures of your camera (${pictures}) go through ${host} ` +
    `to ${COMPANY[upstream] ?? upstream} (${model}). Switch the camera off and no picture is sent.`
  );
}

function number(value) {
  return value === 1 ? "one" : String(value);
}
