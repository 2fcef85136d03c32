// Sends camera and microphone to a session: WHIP (RFC 9725).

import { Refused, exchange, leave, namedServers } from "./peer.js";

const CONNECT_MS = 6000;
const SILENT_MS = 5000;
const BITS_PER_PIXEL = 0.145; // of a frame: 4 Mb/s at 1280 × 720, 30 fps
const BITRATES = [1_500_000, 12_000_000];

export function bitrate(width, height, fps) {
  const wanted = width * height * fps * BITS_PER_PIXEL;
  return Math.round(Math.min(Math.max(wanted, BITRATES[0]), BITRATES[1]));
}

// Events: "state" (see `state`, `reason`, `hint`). States: idle, connecting, live, failed.
export class Whip extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.state = "idle";
    this.reason = "";
    this.hint = "";
    this.connection = null;
  }

  #resource = null;
  #timer = 0;

  // Raises Refused. `stream` stays the caller's: it is not stopped here.
  async start(stream) {
    this.stop();
    this.#say("connecting");
    try {
      await this.#connect(stream);
    } catch (error) {
      this.#drop();
      const words = error instanceof Refused ? error.message : `${error.name}: ${error.message}`;
      this.#say("failed", words, error.hint ?? "");
      throw error;
    }
  }

  stop() {
    this.#drop();
    this.#say("idle");
  }

  async #connect(stream) {
    const servers = await namedServers(this.url);
    const connection = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.connection = connection;
    for (const track of stream.getTracks()) {
      const sending = connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
      if (track.kind === "video") preferH264(sending);
    }
    connection.addEventListener("connectionstatechange", () => this.#changed(connection));
    this.#timer = setTimeout(() => this.#noWay(connection), CONNECT_MS);
    const resource = await exchange(this.url, connection, servers);
    if (this.connection !== connection) return leave(resource); // stopped meanwhile
    this.#resource = resource;
    await shape(connection, stream.getVideoTracks()[0]);
  }

  #changed(connection) {
    if (connection !== this.connection) return;
    const state = connection.connectionState;
    if (state === "connected") {
      clearTimeout(this.#timer);
      this.#say("live");
    } else if (state === "disconnected") {
      this.#timer = setTimeout(() => this.#failed("the daemon fell silent"), SILENT_MS);
    } else if (state === "failed") {
      this.#failed("the connection broke");
    }
  }

  #noWay(connection) {
    if (connection !== this.connection || connection.connectionState === "connected") return;
    this.#failed("no way to the daemon for pictures", "a firewall between here and there may block UDP");
  }

  #failed(reason, hint = "") {
    this.#drop();
    this.#say("failed", reason, hint);
  }

  #drop() {
    clearTimeout(this.#timer);
    const [resource, connection] = [this.#resource, this.connection];
    [this.#resource, this.connection] = [null, null];
    leave(resource).then(() => connection?.close()); // closed first, the daemon would not know what DELETE means
  }

  #say(state, reason = "", hint = "") {
    Object.assign(this, { state, reason, hint });
    this.dispatchEvent(new Event("state"));
  }
}

// H.264 first: the daemon may decode it in hardware, and so do most cameras' hosts encode it.
function preferH264(transceiver) {
  const able = RTCRtpSender.getCapabilities?.("video")?.codecs;
  if (!able || !transceiver.setCodecPreferences) return;
  const isH264 = (codec) => codec.mimeType.toLowerCase() === "video/h264";
  transceiver.setCodecPreferences([...able.filter(isH264), ...able.filter((codec) => !isH264(codec))]);
}

// A face that moves matters more than its pores: where the way is narrow, size gives in before the frame rate.
async function shape(connection, track) {
  const sender = connection.getSenders().find((one) => one.track === track);
  if (!sender) return;
  const { width = 1280, height = 720, frameRate = 30 } = track.getSettings();
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return;
  parameters.degradationPreference = "maintain-framerate";
  Object.assign(parameters.encodings[0], { maxBitrate: bitrate(width, height, frameRate), maxFramerate: frameRate });
  if ("contentHint" in track) track.contentHint = "motion";
  await sender.setParameters(parameters).catch(() => {}); // an older browser keeps its own limits
}
