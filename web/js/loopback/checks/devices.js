// Owns the opening of this device's microphone and camera for a check, and what is told of them. It must not know calls.
// Invariant: what is opened is what a call opens, a device that cannot be is told in the words of the call page, and no
// id of a device is told at all.

import { Media } from "../../media.js";
import { round } from "../numbers.js";

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

/**
 * @param {MediaStreamTrack} track
 * @returns {[string, string][]} names and values of its settings
 */
export function settingsOf(track) {
  const told = Object.entries(track.getSettings()).filter(([name]) => !name.endsWith("Id"));
  return told.map(([name, value]) => [name, String(typeof value === "number" ? round(value, 3) : value)]);
}
