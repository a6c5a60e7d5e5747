// A page that calls a gateway with Pipecat's own client, bundled unmodified. What is ours: the devices, because the
// client's default manager fetches code from another site, and a note of everything the client tells.
import { LogLevel, PipecatClient } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";

/** Microphone, camera and screen as the transport wants them (its `MediaManager`). */
class Devices {
  supportsScreenShare = true;
  #stream = new MediaStream();
  #screen;
  #sharing = false;
  #enabled = { audio: true, video: false };

  setClientOptions({ enableMic, enableCam }) {
    this.#enabled = { audio: enableMic, video: enableCam };
  }

  setUserAudioCallback() {}

  /** The camera, and silence: the recording behind the microphone begins when that is opened (`talk`). */
  async initialize() {
    if (this.#enabled.video) this.#stream = await navigator.mediaDevices.getUserMedia({ video: true });
    this.#stream.addTrack(soundOf(new AudioContext(), []));
  }

  async connect() {}

  async disconnect() {
    for (const track of this.#stream.getTracks()) track.stop();
  }

  /** A copy for each connection: the client stops the tracks of the one that it replaces. */
  tracks() {
    const [audio, video, screenVideo] = [
      this.#stream.getAudioTracks()[0],
      this.#stream.getVideoTracks()[0],
      this.#screen,
    ].map((track) => track?.clone());
    for (const track of [audio, video]) if (track) track.enabled = this.#enabled[track.kind];
    window.rtvi.copies.push(audio, video);
    return { local: { audio, video, screenVideo } };
  }

  #enable(kind, enabled) {
    this.#enabled[kind] = enabled;
    for (const track of window.rtvi.copies) if (track?.kind === kind) track.enabled = enabled;
  }

  enableMic(enabled) {
    this.#enable("audio", enabled);
  }

  enableCam(enabled) {
    this.#enable("video", enabled);
  }

  enableScreenShare(enabled) {
    this.#sharing = enabled;
  }

  get isMicEnabled() {
    return this.#enabled.audio;
  }

  get isCamEnabled() {
    return this.#enabled.video;
  }

  get isSharingScreen() {
    return this.#sharing;
  }

  #speakWith(track) {
    for (const before of this.#stream.getAudioTracks()) this.#stream.removeTrack(before);
    this.#stream.addTrack(track);
  }

  /** Open the microphone and speak with it from now on, as the client's own manager does when one is chosen. */
  async talk() {
    const chosen = await navigator.mediaDevices.getUserMedia({ audio: true });
    this.#speakWith(chosen.getAudioTracks()[0]);
    await window.rtvi.client._transport.getAudioTransceiver().sender.replaceTrack(this.tracks().local.audio);
  }

  /** From the next connection on: a tone instead of the microphone, and a screen of this colour beside the camera. */
  change(hz, colour) {
    const context = new AudioContext();
    const tone = new OscillatorNode(context, { frequency: hz });
    tone.start();
    this.#speakWith(soundOf(context, [tone, new GainNode(context, { gain: 0.3 })]));
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
    const paint = canvas.getContext("2d");
    setInterval(() => {
      paint.fillStyle = colour;
      paint.fillRect(0, 0, canvas.width, canvas.height);
    }, 100); // a captured canvas sends a frame when it is painted
    this.#screen = canvas.captureStream(10).getVideoTracks()[0];
  }

  get selectedMic() {
    return {};
  }

  get selectedCam() {
    return {};
  }

  get selectedSpeaker() {
    return {};
  }
}

/** A track of what these nodes make, one after the other; of silence without any. */
function soundOf(context, nodes) {
  const out = context.createMediaStreamDestination();
  [...nodes, out].reduce((from, to) => from.connect(to));
  return out.stream.getAudioTracks()[0];
}

/** What the client tells: [name, data] of each callback, in order. */
function noting(seen) {
  const names = [
    "onBotReady", "onBotConnected", "onBotDisconnected", "onConnected", "onDisconnected", "onTransportStateChanged",
    "onUserStartedSpeaking", "onUserStoppedSpeaking", "onBotStartedSpeaking", "onBotStoppedSpeaking",
    "onUserTranscript", "onBotOutput", "onBotLlmText", "onBotLlmStarted", "onBotLlmStopped", "onBotTtsText",
    "onBotTtsStarted", "onBotTtsStopped", "onMetrics", "onServerMessage", "onMessageError", "onError",
    "onLLMFunctionCallStarted", "onLLMFunctionCallInProgress", "onLLMFunctionCallStopped",
  ];
  return Object.fromEntries(names.map((name) => [name, (data) => seen.push([name, plain(data)])]));
}

const plain = (data) => (data === undefined ? null : JSON.parse(JSON.stringify(data)));

window.rtvi = {
  seen: [],
  copies: [],
  client: null,
  devices: null,

  make({ camera = true } = {}) {
    const callbacks = {
      ...noting(this.seen),
      onTrackStarted: (track, participant) => {
        if (participant?.local || track.kind !== "audio") return;
        document.getElementById("voice").srcObject = new MediaStream([track]);
      },
    };
    this.devices = new Devices();
    const transport = new SmallWebRTCTransport({ mediaManager: this.devices });
    this.client = new PipecatClient({ transport, callbacks, enableMic: true, enableCam: camera });
    this.client.setLogLevel(LogLevel.WARN); // each line of the log is time that the sound lacks on a busy machine
    return this.client;
  },

  /** What the client does by itself when its connection has failed. */
  async reconnect() {
    const transport = this.client._transport;
    const before = transport.dc;
    await transport.attemptReconnection(true);
    while (transport.dc === before || transport.dc.readyState !== "open") {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },

  /** The number of things seen so far with this name, and with these facts in their data. */
  count(name, facts = {}) {
    const matches = (data) => Object.entries(facts).every(([key, value]) => data?.[key] === value);
    return this.seen.filter(([seen, data]) => seen === name && matches(data)).length;
  },
};
