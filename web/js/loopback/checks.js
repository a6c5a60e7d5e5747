// Owns which checks there are. It must not know what they do.
// Invariant: they are in the order of `verdict.js`, from what everything needs to what needs everything.

import { bargeIn } from "./checks/barge-in.js";
import { camera } from "./checks/camera.js";
import { connectivity } from "./checks/connectivity.js";
import { drills } from "./checks/drills.js";
import { environment } from "./checks/environment.js";
import { frameAge } from "./checks/frame-age.js";
import { gatewayView } from "./checks/gateway-view.js";
import { ice } from "./checks/ice.js";
import { limits } from "./checks/limits.js";
import { microphone } from "./checks/microphone.js";
import { roundTrip } from "./checks/round-trip.js";
import { soak } from "./checks/soak.js";
import { token } from "./checks/token.js";
import { ttfab } from "./checks/ttfab.js";
import { voice } from "./checks/voice.js";
import { CHECKS } from "./verdict.js";

const ALL = [
  environment,
  token,
  ice,
  connectivity,
  microphone,
  camera,
  gatewayView,
  voice,
  roundTrip,
  ttfab,
  bargeIn,
  frameAge,
  ...drills,
  limits,
  soak,
];

/** @type {import("./runner.js").Check[]} */
export const checks = CHECKS.map((id) => ALL.find((check) => check.id === id));
