// Owns the functions of the page that the model may call (`[[client_tool]]` of a profile), by name. It must not know how
// a call arrives or how its result goes back.
// Invariant: every call has a result, an object; one that cannot be served says why in `error`.

/**
 * @typedef {object} Screen what the functions act on
 * @property {(text: string) => void} note keep a short text in sight; an empty one takes it away
 */

const FUNCTIONS = {
  show_note: ({ text }, screen) => {
    if (typeof text !== "string") return { error: "show_note needs a text." };
    screen.note(text);
    return { output: "shown" };
  },
};

/**
 * The result of a call.
 * @param {string} name
 * @param {object} args
 * @param {Screen} screen
 * @returns {object}
 */
export function resultOf(name, args, screen) {
  if (!Object.hasOwn(FUNCTIONS, name)) return { error: `This page has no function ${name}.` };
  return FUNCTIONS[name](args, screen);
}
