// Owns what happens around a page in a call: it is hidden and shown, frozen, goes offline, changes its network, devices
// come and go. It must not know what a call does about it.
// Invariant: after `stop()` nothing is listened to.

/**
 * @typedef {object} Handlers
 * @property {() => void} shown the page can be seen again, or was thawed, or comes back from the history
 * @property {() => void} offline
 * @property {() => void} online
 * @property {() => void} otherNetwork the same device, another network (Wi-Fi to mobile)
 * @property {() => void} devices the list of devices has changed
 */

/**
 * Begin to listen.
 * @param {{window: Window, document: Document, navigator: any}} browser `navigator.connection` is Chromium's
 * @param {Handlers} handlers
 * @returns {() => void} stop
 */
export function watch({ window, document, navigator }, handlers) {
  const { connection, mediaDevices } = navigator; // `connection`: Chromium only
  let network = connection?.type;
  const listeners = [
    [document, "visibilitychange", () => document.visibilityState === "visible" && handlers.shown()],
    [document, "resume", () => handlers.shown()], // after "freeze"
    [window, "pageshow", ({ persisted }) => persisted && handlers.shown()],
    [window, "offline", () => handlers.offline()],
    [window, "online", () => handlers.online()],
    [mediaDevices, "devicechange", () => handlers.devices()],
    [
      connection,
      "change", // also when only the estimate of the bandwidth has changed
      () => {
        const before = network;
        network = connection.type;
        if (network !== before && network !== "none") handlers.otherNetwork();
      },
    ],
  ].filter(([target]) => target?.addEventListener);
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of listeners) target.removeEventListener(type, listener);
  };
}
