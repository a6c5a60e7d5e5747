// What the modules under test are given instead of a browser: a clock that moves when told to, a network that answers
// what it is told to, devices without hardware.

/** Let every promise that can settle do so. */
export async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** Virtual time. */
export class FakeClock {
  now = 0;
  timers = new Map();
  next = 1;

  nowMs = () => this.now;

  setTimeout = (callback, ms) => {
    this.timers.set(this.next, { callback, atMs: this.now + ms });
    return this.next++;
  };

  clearTimeout = (timer) => this.timers.delete(timer);

  /** Move on, and run on the way what is due. */
  async advance(ms) {
    const untilMs = this.now + ms;
    await settled();
    for (let due = this.#due(untilMs); due; due = this.#due(untilMs)) {
      const [timer, { callback, atMs }] = due;
      this.timers.delete(timer);
      this.now = atMs;
      callback();
      await settled();
    }
    this.now = untilMs;
  }

  #due(untilMs) {
    const waiting = [...this.timers].filter(([, { atMs }]) => atMs <= untilMs);
    return waiting.sort(([, left], [, right]) => left.atMs - right.atMs)[0];
  }
}

/** Makes a WebSocket class that keeps its instances in `opened`. */
export function fakeWebSocket() {
  return class FakeWebSocket {
    static opened = [];

    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      this.isClosed = false;
      this.readyState = 0;
      this.sent = [];
      FakeWebSocket.opened.push(this);
    }

    static get newest() {
      return FakeWebSocket.opened.at(-1);
    }

    close() {
      this.isClosed = true;
    }

    /** The connection is there. */
    accept() {
      this.readyState = 1;
      this.onopen();
    }

    send(data) {
      this.sent.push(typeof data === "string" ? JSON.parse(data) : data);
    }

    say(message) {
      this.onmessage({ data: JSON.stringify(message) });
    }
  };
}

/** A track of a device. */
export class FakeTrack extends EventTarget {
  enabled = true;
  muted = false;
  isStopped = false;
  readyState = "live";

  constructor(kind, settings = {}) {
    super();
    this.kind = kind;
    this.settings = settings;
  }

  getSettings() {
    return this.settings;
  }

  stop() {
    this.isStopped = true;
  }
}

/** Tracks in a bundle. */
export class FakeStream {
  constructor(tracks) {
    this.tracks = tracks;
  }

  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks.filter(({ kind }) => kind === "audio");
  getVideoTracks = () => this.tracks.filter(({ kind }) => kind === "video");
}

/** Devices, as `navigator.mediaDevices` has them: `failures` maps "audio" or "video" to the name of the error of asking for it. */
export class FakeDevices extends EventTarget {
  failures = {};
  asked = [];
  tracks = [];
  cameras = 2;
  muted = false; // by the system
  facing = true; // whether cameras say which way they look

  async getUserMedia(constraints) {
    this.asked.push(constraints);
    const kinds = ["audio", "video"].filter((kind) => constraints[kind]);
    for (const kind of kinds) {
      const name = constraints[kind].deviceId?.exact === "gone" ? "OverconstrainedError" : this.failures[kind];
      if (name) throw Object.assign(new Error("refused"), { name });
    }
    const tracks = kinds.map((kind) => new FakeTrack(kind, this.#settings(kind, constraints[kind])));
    for (const track of tracks) track.muted = this.muted;
    this.tracks.push(...tracks);
    return new FakeStream(tracks);
  }

  async enumerateDevices() {
    const named = (kind, count) =>
      Array.from({ length: count }, (_, index) => ({ kind, deviceId: `${kind}-${index}`, label: `${kind} ${index}` }));
    return [...named("audioinput", 2), ...named("videoinput", this.cameras), ...named("audiooutput", 1)];
  }

  #settings(kind, { deviceId, facingMode }) {
    if (kind === "audio") return { deviceId: deviceId?.exact ?? "audioinput-0" };
    const id = deviceId?.exact ?? "videoinput-0";
    return { width: 640, height: 480, deviceId: id, ...(this.facing && { facingMode: facingMode ?? "user" }) };
  }
}

/** What is around a page: `window`, `document` and `navigator`, visible and online. */
export function fakeBrowser(mediaDevices) {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const window = Object.assign(new EventTarget(), { isSecureContext: true });
  const connection = Object.assign(new EventTarget(), { type: "wifi" });
  return { window, document, navigator: { mediaDevices, connection } };
}

/** An element that plays: `refuses` is the name of the error of `play()`, if any. */
export class FakeAudio {
  srcObject = null;
  muted = false;
  sinkId = "";
  plays = 0;
  mutes = [];
  refuses;

  async play() {
    this.plays += 1;
    if (this.refuses) throw Object.assign(new Error("refused"), { name: this.refuses });
  }

  async setSinkId(id) {
    this.sinkId = id;
  }
}

/** Makes an AudioContext class whose analysers deliver `samples`, a function from the track's kind to a sample. */
export function fakeAudioContext(samples) {
  return class FakeAudioContext {
    static made = [];
    state = "suspended";

    constructor() {
      FakeAudioContext.made.push(this);
    }

    async resume() {
      this.state = "running";
    }

    async close() {
      this.state = "closed";
    }

    modules = [];
    audioWorklet = { addModule: async (url) => this.modules.push(url) };

    createMediaStreamDestination() {
      return { stream: new FakeStream([new FakeTrack("audio")]) };
    }

    createAnalyser() {
      const analyser = {
        getFloatTimeDomainData: (target) => target.fill(samples(analyser.kind)),
      };
      return analyser;
    }

    createMediaStreamSource(stream) {
      return { connect: (analyser) => (analyser.kind = stream.getTracks()[0].kind), disconnect: () => {} };
    }
  };
}

/** Makes an AudioWorkletNode class that keeps its instances by name in `made`, with what was posted to each. */
export function fakeAudioWorkletNode() {
  return class FakeAudioWorkletNode {
    static made = {};
    posted = [];
    isConnected = false;
    port = { onmessage: null, postMessage: (message) => this.posted.push(message) };

    constructor(_, name) {
      FakeAudioWorkletNode.made[name] = this;
    }

    connect() {
      this.isConnected = true;
    }

    disconnect() {
      this.isConnected = false;
    }
  };
}

/** What `document.createElement` makes of a video and a canvas: `jpegs` holds who waits for a picture. */
export function fakeElements() {
  const jpegs = [];
  const drawn = [];
  const video = { videoWidth: 640, videoHeight: 480, play: async () => {} };
  const canvas = {
    getContext: () => ({ drawImage: (_, x, y, width, height) => drawn.push([x, y, width, height]) }),
    toBlob: (done) => jpegs.push((bytes) => done(bytes && new Blob([bytes]))),
  };
  return { createElement: (tag) => ({ video, canvas })[tag], drawn, jpegs, video };
}

/** Makes an RTCPeerConnection class that keeps its instances in `made`. */
export function fakePeerConnection() {
  return class FakePeerConnection {
    static made = [];

    connectionState = "new";
    signalingState = "stable";
    transceivers = [];
    bytesReceived = 0;
    restarts = 0;

    constructor(configuration) {
      this.configuration = configuration;
      FakePeerConnection.made.push(this);
    }

    static get newest() {
      return FakePeerConnection.made.at(-1);
    }

    addTransceiver(trackOrKind, init) {
      const sender = {
        track: typeof trackOrKind === "string" ? null : trackOrKind,
        replaceTrack: async (track) => {
          sender.track = track;
        },
        getParameters: () => ({ encodings: structuredClone(init.sendEncodings ?? []) }),
        setParameters: async ({ encodings }) => {
          init.sendEncodings = encodings;
        },
      };
      const transceiver = { trackOrKind, init, sender };
      this.transceivers.push(transceiver);
      return transceiver;
    }

    async setLocalDescription() {
      const ufrag = `u${FakePeerConnection.made.indexOf(this)}${"r".repeat(this.restarts)}`;
      this.localDescription = { sdp: `v=0\r\na=mid:0\r\na=ice-ufrag:${ufrag}\r\na=ice-pwd:secret\r\n` };
    }

    restartIce() {
      this.restarts += 1;
    }

    stats = [];

    async getStats() {
      const all = [{ id: "t", type: "transport", bytesReceived: this.bytesReceived }, ...this.stats];
      return new Map(all.map((one) => [one.id, one]));
    }

    async setRemoteDescription(description) {
      this.remoteDescription = description;
    }

    close() {
      this.signalingState = this.connectionState = "closed";
    }

    become(state) {
      this.connectionState = state;
      this.onconnectionstatechange?.();
    }
  };
}

/** The answer of a gateway, and its side of an ICE restart. */
export const ANSWER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=ice-ufrag:g0\r\na=ice-pwd:p0\r\na=mid:0\r\n";
export const RESTARTED = "a=ice-ufrag:g0\r\na=ice-pwd:p0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:2 1 udp 1 192.0.2.2 2 typ host\r\n";

/** A gateway behind `fetch`: `answers` maps "METHOD path" to a function that makes the answer. */
export class FakeGateway {
  requests = [];
  answers = {
    "GET /v1/client-config": () => json({ upstream: "gemini", video: { allowed: true, fps_max: 1, size_px: 512 } }),
    "GET /v1/ice-servers": () => json({ iceServers: [{ urls: "stun:stun.test" }] }),
    "POST /v1/sessions": () =>
      new Response(ANSWER, { status: 201, headers: { Location: "/v1/sessions/s1" } }),
    "POST /v1/sessions/s1/peer": () => new Response(ANSWER, { status: 201 }),
    "PATCH /v1/sessions/s1": ({ body }) => (/a=ice-ufrag:u\d+r/.test(body) ? new Response(RESTARTED) : new Response(null, { status: 204 })),
    "DELETE /v1/sessions/s1": () => new Response(null, { status: 204 }),
    "GET /v1/sessions/s1/frame": () => new Response("jpeg"),
  };

  fetch = async (path, options = {}) => {
    const method = options.method ?? "GET";
    this.requests.push({ method, path, ...options });
    const answer = this.answers[`${method} ${path}`];
    return answer ? answer(options) : problem(404, "There is no such session.");
  };

  /** The requests with this method and path. */
  asked(method, path) {
    return this.requests.filter((request) => request.method === method && request.path === path);
  }
}

/** An answer in JSON. */
export function json(body) {
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
}

/** An answer as RFC 9457 has it. */
export function problem(status, detail, { code, retryAfter } = {}) {
  const headers = { "Content-Type": "application/problem+json", ...(retryAfter && { "Retry-After": retryAfter }) };
  return new Response(JSON.stringify({ status, detail, code }), { status, headers });
}

/** A promise and the means to settle it. */
export function deferred() {
  const settle = {};
  const promise = new Promise((resolve, reject) => Object.assign(settle, { resolve, reject }));
  return { promise, ...settle };
}
