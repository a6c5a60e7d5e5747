// The browser clients as one script: what a page of somebody else's would load.

import { WHEPClient } from "@binbat/whip-whep/whep.js";
import { WHIPClient as MedoozeClient } from "@binbat/whip-whep/whip.js";
import { WHIPClient as EyevinnClient } from "@eyevinn/whip-web-client";

const camera = () => navigator.mediaDevices.getUserMedia({ audio: true, video: true });

// medooze's WHIP client; resolves when media flows.
window.publishWithMedooze = async (url, token) => {
  const stream = await camera();
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const track of stream.getTracks()) connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
  window.whip = new MedoozeClient();
  await window.whip.publish(connection, url, token);
  await connected(connection);
};

// medooze's WHEP client; what is heard is played by #voice.
window.listenWithMedooze = async (url, token) => {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
  const stream = new MediaStream();
  connection.ontrack = ({ track }) => stream.addTrack(track);
  window.whep = new WHEPClient();
  await window.whep.view(connection, url, token);
  await connected(connection);
  const voice = document.getElementById("voice");
  voice.srcObject = stream;
  await voice.play();
};

// Eyevinn's WHIP client, with its trickled candidates.
window.publishWithEyevinn = async (endpoint, authkey) => {
  let connection;
  window.whip = new EyevinnClient({
    endpoint,
    opts: { authkey, debug: true, iceServers: [] },
    peerConnectionFactory: (configuration) => (connection = new RTCPeerConnection(configuration)),
  });
  if (authkey) await window.whip.setIceServersFromEndpoint();
  await window.whip.ingest(await camera());
  await connected(connection);
};

// Resolves when the model has answered once, which is told as a server-sent event.
window.answered = (session) =>
  new Promise((resolve) => {
    const transcript = new EventSource(`${session}/transcript`);
    transcript.addEventListener("turn", () => resolve(transcript.close()));
  });

const connected = (connection) =>
  new Promise((resolve, reject) => {
    const look = () => {
      if (connection.connectionState === "connected") resolve();
      if (connection.connectionState === "failed") reject(new Error("the connection failed"));
    };
    connection.addEventListener("connectionstatechange", look);
    look();
  });
