// Owns the opening of this device's microphone and camera for a check. It must not know calls.
// Invariant: a device that cannot be opened is told in the words the call page has for it.

import { DeviceProblem, deviceWords } from "../../media.js";

// What the call page asks for, so that what is measured is what a call has.
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
const CAMERA = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 10, max: 15 } };

/**
 * @param {"microphone" | "camera"} device
 * @returns {Promise<MediaStreamTrack>} throws a DeviceProblem
 */
export async function opened(device) {
  if (!navigator.mediaDevices) {
    throw new DeviceProblem("Open this page over HTTPS or on localhost: elsewhere browsers offer no microphone.");
  }
  try {
    const wanted = device === "microphone" ? { audio: MICROPHONE } : { video: CAMERA };
    return (await navigator.mediaDevices.getUserMedia(wanted)).getTracks()[0];
  } catch (error) {
    throw new DeviceProblem(deviceWords(error.name, device));
  }
}
