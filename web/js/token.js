// Owns where a page's token is. A link brings it in its fragment, `#token=…`, which browsers send to no server; then it
// is kept in the storage of this tab, so that a reload has it and another tab has not. It must not know what a token is
// for; `window` is given to it.
// Invariant: once it was taken, the token stands neither in the address bar nor in the history.

const KEY = "gateway.token";

/**
 * The token of this page: that of its address, else the one that this tab had before.
 * @param {Window} window
 * @returns {string | undefined}
 */
export function takeToken(window) {
  const { location, history } = window;
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token") ?? undefined;
  if (token === undefined) return kept(window);
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  keepToken(window, token);
  return token;
}

/**
 * Keep it for this tab.
 * @param {Window} window
 * @param {string} token
 */
export function keepToken(window, token) {
  try {
    window.sessionStorage.setItem(KEY, token);
  } catch {
    // A browser that keeps nothing: the token lasts until the page is loaded again.
  }
}

/**
 * The subprotocols that a WebSocket of the gateway is opened with: a browser can send a token with it nowhere else.
 * @param {string} [token]
 * @returns {string[]}
 */
export function subprotocols(token) {
  return token ? ["gateway.v1", `token.${token}`] : ["gateway.v1"];
}

function kept(window) {
  try {
    return window.sessionStorage.getItem(KEY) ?? undefined;
  } catch {
    return undefined;
  }
}
