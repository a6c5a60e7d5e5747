// Owns the functions of the call page that the model may call (`[[client_tool]]` of a profile), and how any page's
// functions are called. It must not know how a call arrives or how its result goes back.
// Invariant: every call has a result, an object; one that cannot be served says why in `error`.

/**
 * @typedef {(args: object) => object | Promise<object>} PageFunction gives the result
 * @typedef {Record<string, PageFunction>} Functions by the name that the model knows
 */

/**
 * The functions of the call page.
 * @param {{note: (text: string) => void}} screen keeps a short text in sight; an empty one takes it away
 * @returns {Functions}
 */
export function pageFunctions(screen) {
  return {
    show_note: ({ text }) => {
      if (typeof text !== "string") return { error: "show_note needs a text." };
      screen.note(text);
      return { output: "shown" };
    },
  };
}

/**
 * The result of a call.
 * @param {Functions} functions
 * @param {string} name
 * @param {object} args
 * @returns {Promise<object>}
 */
export async function resultOf(functions, name, args) {
  if (!Object.hasOwn(functions, name)) return { error: `This page has no function ${name}.` };
  try {
    return await functions[name](args);
  } catch (error) {
    return { error: `${name} failed: ${error.message}` };
  }
}
