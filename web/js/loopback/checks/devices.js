// Owns the opening of this device's microphone and camera for a check. It must not know calls.
// Invariant: what is opened is what a call opens, and a device that cannot be is told in the words of the call page.

import { Media } from "../../media.js";

/**
 * @param {"microphone" | "camera"} device
 * @returns {Promise<MediaStreamTrack>} throws a DeviceProblem
 */
export async function opened(device) {
  const nothing = () => {};
  const media = new Media({
    mediaDevices: navigator.mediaDevices,
    isSecure: window.isSecureContext,
    clock: window,
    onEnded: nothing,
    onSilenced: nothing,
  });
  if (media.unavailable) throw media.unavailable;
  if (device === "microphone") await media.open({ camera: false });
  else await media.startCamera();
  return media[device];
}
