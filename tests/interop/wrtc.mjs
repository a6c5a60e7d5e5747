// node wrtc.mjs GATEWAY MICROPHONE EAR: libwebrtc without a browser. One connection speaks MICROPHONE (WAV, 48 kHz mono
// s16le) and shows a moving picture over WHIP, another hears the session over WHEP and writes what it heard to EAR (48 kHz
// mono s16le). It ends when the microphone has ended; both sides say good-bye with DELETE.

import { readFileSync, writeFileSync } from "node:fs";
import wrtc from "@roamhq/wrtc";

const { MediaStream, RTCPeerConnection, nonstandard } = wrtc;
const [gateway, microphone, ear] = process.argv.slice(2);
const RATE_HZ = 48_000;
const SAMPLES = RATE_HZ / 100; // 10 ms, as libwebrtc wants it
const WAV_HEADER_BYTES = 44;
const WIDTH = 320;
const HEIGHT = 240;

// The offer with all its candidates, and the answer of the endpoint; the URL of what was made.
const negotiate = async (connection, url) => {
  await connection.setLocalDescription(await connection.createOffer());
  while (connection.iceGatheringState !== "complete") await sleep(10);
  const headers = { "Content-Type": "application/sdp", Accept: "application/sdp" };
  const response = await fetch(url, { method: "POST", headers, body: connection.localDescription.sdp });
  const answer = await response.text();
  if (response.status !== 201) throw new Error(`${url}: ${response.status} ${answer}`);
  await connection.setRemoteDescription({ type: "answer", sdp: answer });
  while (connection.connectionState !== "connected") await sleep(10);
  return new URL(response.headers.get("Location"), url);
};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const remove = async (url) => {
  const response = await fetch(url, { method: "DELETE" });
  if (response.status !== 200) throw new Error(`DELETE ${url}: ${response.status}`);
};

const sound = new nonstandard.RTCAudioSource();
const picture = new nonstandard.RTCVideoSource();
const stream = new MediaStream([sound.createTrack(), picture.createTrack()]);
const sender = new RTCPeerConnection();
for (const track of stream.getTracks()) sender.addTrack(track, stream);
const published = await negotiate(sender, `${gateway}whip/node`);

const listener = new RTCPeerConnection();
const { receiver } = listener.addTransceiver("audio", { direction: "recvonly" });
const heard = [];
new nonstandard.RTCAudioSink(receiver.track).ondata = ({ samples, sampleRate, channelCount }) => {
  const step = (sampleRate / RATE_HZ) * channelCount; // the rate follows what is played
  const length = Math.round(samples.length / step);
  const at = (index) => samples[Math.floor((index * sampleRate) / RATE_HZ) * channelCount];
  heard.push(Buffer.from(Int16Array.from({ length }, (_, index) => at(index)).buffer));
};
const played = await negotiate(listener, `${gateway}whep/node`);

const wav = readFileSync(microphone).subarray(WAV_HEADER_BYTES);
const line = new Int16Array(wav.buffer.slice(wav.byteOffset, wav.byteOffset + wav.byteLength));
const frame = { width: WIDTH, height: HEIGHT, data: new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2).fill(128) };
const begunMs = performance.now();
for (let at = 0, block = 0; at + SAMPLES <= line.length; at += SAMPLES, block += 1) {
  sound.onData({ samples: line.slice(at, at + SAMPLES), sampleRate: RATE_HZ, bitsPerSample: 16, channelCount: 1, numberOfFrames: SAMPLES });
  if (block % 10 === 0) {
    frame.data.fill(40).fill(220, (block % HEIGHT) * WIDTH, (block % HEIGHT) * WIDTH + 40 * WIDTH); // a bar that falls
    frame.data.fill(128, WIDTH * HEIGHT);
    picture.onFrame(frame);
  }
  const earlyMs = begunMs + (block + 1) * 10 - performance.now();
  if (earlyMs > 0) await sleep(earlyMs);
}
writeFileSync(ear, Buffer.concat(heard));
await remove(played);
await remove(published);
listener.close();
sender.close();
process.exit(0); // the native module keeps threads
