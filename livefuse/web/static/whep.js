// Plays a session: WHEP with the least delay, and back again by itself whatever happens to the daemon.

import { Refused, exchange, leave, namedServers } from "./peer.js";

const BACK_OFF_MS = [250, 5000];
const LOOK_MS = [100, 500]; // before the first picture, and after
const SILENT_MS = 2000; // no packet, no report, no answer: the daemon is gone
const NO_PICTURE_MS = 8000; // it lives, but this connection brings nothing
const CONNECT_MS = 6000;
const STEADY_MS = 5000; // after this long live, the next loss starts with the shortest wait

// Events: "state" (see `state`, `reason`, `hint`), "stream" (see `stream`).
// States: idle, connecting, live, waiting (connected, no picture), reconnecting, refused (until `again()`).
export class Whep extends EventTarget {
  constructor(url) {
    super();
    this.url = url;
    this.state = "idle";
    this.reason = "";
    this.hint = "";
    this.stream = null;
    this.connection = null;
    this.lostCount = 0;
    this.#backOffMs = BACK_OFF_MS[0];
  }

  #backOffMs;
  #run = null; // the AbortController of the present run
  #resource = null;
  #shown = null; // the connection whose pictures `stream` has
  #wake = () => {};

  start() {
    if (this.#run) return;
    this.#run = new AbortController();
    this.#keepPlaying(this.#run.signal);
  }

  stop() {
    this.#run?.abort();
    this.#run = null;
    this.#wake();
    const shown = this.#shown;
    this.#drop().then(() => shown?.close());
    this.#say("idle");
  }

  // Do not wait any longer: there is a token now, or the network is back.
  again() {
    this.#backOffMs = BACK_OFF_MS[0];
    this.#wake();
  }

  async #keepPlaying(signal) {
    let first = true;
    while (!signal.aborted) {
      this.#say(first ? "connecting" : "reconnecting", this.reason, this.hint);
      try {
        await this.#connect(signal);
        first = false;
        await this.#whileAlive(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#drop();
        this.lostCount += 1;
        await this.#afterFailure(error, first);
      }
    }
  }

  async #afterFailure(error, first) {
    const words = error instanceof Refused ? error.message : `${error.name}: ${error.message}`;
    if (error.needsToken) {
      this.#say("refused", words, error.hint);
      await new Promise((done) => (this.#wake = done));
      return;
    }
    this.#say(first ? "connecting" : "reconnecting", words, error.hint ?? "");
    const wait = Math.max(error.waitMs ?? 0, this.#backOffMs * (0.8 + 0.4 * Math.random()));
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MS[1]);
    await new Promise((done) => {
      const timer = setTimeout(done, wait);
      this.#wake = () => (clearTimeout(timer), done());
    });
  }

  async #connect(signal) {
    const servers = await namedServers(this.url);
    signal.throwIfAborted();
    const connection = new RTCPeerConnection({ iceServers: servers, bundlePolicy: "max-bundle" });
    this.connection = connection;
    const stream = new MediaStream();
    connection.addEventListener("track", (event) => stream.addTrack(event.track));
    atOnce(connection.addTransceiver("video", { direction: "recvonly" }).receiver);
    connection.addTransceiver("audio", { direction: "recvonly" });
    const resource = await exchange(this.url, connection, servers);
    if (signal.aborted) leave(resource);
    signal.throwIfAborted();
    this.#resource = resource;
    this.stream = stream;
    const before = this.#shown;
    this.#shown = connection;
    this.dispatchEvent(new Event("stream"));
    before?.close();
  }

  // Ends by throwing the reason for which this connection is of no more use.
  async #whileAlive(signal) {
    const began = performance.now();
    let [signs, frames] = [-1, 0];
    let [signAt, frameAt] = [began, began];
    let liveSince = 0;
    for (;;) {
      await lookAgain(this.connection, LOOK_MS[liveSince ? 1 : 0]);
      signal.throwIfAborted();
      const now = performance.now();
      const pulse = await signsOfLife(this.connection);
      if (pulse.signs !== signs) [signs, signAt] = [pulse.signs, now];
      if (pulse.frames !== frames) {
        [frames, frameAt] = [pulse.frames, now];
        liveSince ||= now;
        if (now - liveSince > STEADY_MS) this.#backOffMs = BACK_OFF_MS[0];
        this.#say("live");
      }
      fail(this.connection.connectionState, now - began, now - signAt, now - frameAt);
      if (now - frameAt > SILENT_MS && liveSince) this.#say("waiting", "no picture arrives");
    }
  }

  // Gives the connection up. The one that is shown stays open: its last picture stands until there is another.
  async #drop() {
    const [resource, connection] = [this.#resource, this.connection];
    [this.#resource, this.connection] = [null, null];
    await leave(resource); // closed first, the daemon would not know what DELETE means
    if (connection !== this.#shown) connection?.close();
  }

  #say(state, reason = "", hint = "") {
    if (state === this.state && reason === this.reason) return;
    Object.assign(this, { state, reason, hint });
    this.dispatchEvent(new Event("state"));
  }
}

// The picture is shown as it comes; smoothing is for films. Sound keeps its buffer: gaps in it are heard.
function atOnce(receiver) {
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
  else receiver.playoutDelayHint = 0;
}

function fail(state, sinceStart, sinceSign, sinceFrame) {
  if (state === "failed" || state === "closed") throw new Refused("the connection broke");
  if (state !== "connected" && sinceStart > CONNECT_MS) {
    throw new Refused("no way to the daemon for pictures", {
      hint: "a firewall between here and there may block UDP: open its ports, or name a TURN server in [webrtc]",
    });
  }
  if (state !== "new" && state !== "connecting" && sinceSign > SILENT_MS) throw new Refused("the daemon fell silent");
  if (state === "connected" && sinceFrame > NO_PICTURE_MS) throw new Refused("no picture arrives");
}

// The next look: after a while, or as soon as the connection's state changes.
function lookAgain(connection, within) {
  return new Promise((done) => {
    const ready = () => {
      clearTimeout(timer);
      connection.removeEventListener("connectionstatechange", ready);
      done();
    };
    const timer = setTimeout(ready, within);
    connection.addEventListener("connectionstatechange", ready);
  });
}

async function signsOfLife(connection) {
  let [signs, frames] = [0, 0];
  for (const entry of (await connection.getStats()).values()) {
    if (entry.type === "inbound-rtp") signs += entry.packetsReceived ?? 0;
    if (entry.type === "remote-outbound-rtp") signs += entry.reportsSent ?? 0;
    if (entry.type === "candidate-pair") signs += entry.responsesReceived ?? 0;
    if (entry.type === "inbound-rtp" && entry.kind === "video") frames = entry.framesDecoded ?? 0;
  }
  return { signs, frames };
}
