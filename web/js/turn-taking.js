// Owns who is speaking, as the gateway's events tell it. It must not know sound levels or the page.
// Invariant: exactly one of listening, hearing, thinking, speaking; a new link or a loss leads back to listening.

/** @typedef {"listening" | "hearing" | "thinking" | "speaking"} Turn */

const NEXT = {
  "user-started-speaking": "hearing",
  "user-stopped-speaking": "thinking",
  "user-llm-text": "thinking",
  "bot-started-speaking": "speaking",
  "bot-stopped-speaking": "listening",
  "bot-interrupted": "listening",
};
const FACTS = ["turn", "link", "state"]; // after each of them nobody owes an answer

/**
 * @param {Turn} turn
 * @param {{type: string, data?: object}} message of the gateway
 * @returns {Turn}
 */
export function turnAfter(turn, { type, data }) {
  if (type === "server-message" && FACTS.includes(data.type)) return turn === "thinking" ? "listening" : turn;
  const next = NEXT[type];
  if (next === undefined) return turn;
  // A person may speak, or be done speaking, while the model still does; what is heard then is the model.
  if (turn === "speaking" && (next === "hearing" || next === "thinking")) return turn;
  return next;
}
