// Owns how a value of a measurement is written for a person. It must not know what was measured.
// Invariant: what nobody would read, lists of objects, has no words: there is a table of it.

const isPlain = (value) => typeof value !== "object" || value === null;

/**
 * @param {unknown} value
 * @returns {string | undefined} undefined for what belongs into a table of its own
 */
export function plainWords(value) {
  if (isPlain(value)) return String(value);
  const parts = Object.entries(value);
  if (!parts.every(([, part]) => isPlain(part))) return undefined;
  const named = ([name, part]) => (Array.isArray(value) ? String(part) : `${name.replaceAll("_", " ")} ${part}`);
  return parts.map(named).join(", ") || "none";
}
