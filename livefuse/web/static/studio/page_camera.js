// This browser's own camera: asked for when it is chosen, published to a session by WHIP, and let go with it.

import { Whip } from "../whip.js";
import { t } from "./words.js";

const KEPT = "livefuse-camera"; // which camera this browser gave last: a device's id, never a picture

class Told extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

export const able = () => Boolean(navigator.mediaDevices?.getUserMedia);

export function unable() {
  return new Told(
    t("The browser gives no camera to this page"),
    t("Cameras need HTTPS, or an address on this very machine: open the page as http://localhost, through `ssh -L`, or start the daemon with --tls."),
  );
}

function explained(error) {
  const faults = {
    NotAllowedError: [t("The camera was not allowed"), t("Allow it for this page: the symbol beside the address. Then choose it again.")],
    NotFoundError: [t("No camera was found"), t("Plug one in, or switch off the microphone if only that is missing.")],
    NotReadableError: [t("The camera is in use or does not answer"), t("Close the program that uses it, then choose it again.")],
    OverconstrainedError: [t("This camera cannot do that size"), t("Choose a smaller one.")],
    AbortError: [t("The camera stopped"), t("Unplug it and plug it in again.")],
  };
  const known = faults[error.name];
  return known ? new Told(...known) : error;
}

export async function listCameras() {
  if (!able()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

// Raises Told. Whoever opens a camera stops its tracks.
export async function openCamera({ device = "", width = 1280, height = 720, fps = 30, microphone = false } = {}) {
  if (!able()) throw unable();
  const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } };
  if (device) video.deviceId = { exact: device };
  const audio = microphone && { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio });
  } catch (error) {
    throw explained(error);
  }
}

export function release(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

// One for the page. Events: "state". States as Whip's: idle, connecting, live, failed.
class PageCamera extends EventTarget {
  stream = null;
  session = "";
  #whip = null;

  get state() {
    return this.#whip?.state ?? "idle";
  }

  get reason() {
    return this.#whip?.reason ?? "";
  }

  // Opens the camera and sends it; gives the source URL that takes it. Raises Told, Refused.
  async publish(session, options) {
    this.stop();
    const stream = await openCamera(options);
    this.stream = stream;
    this.session = session;
    for (const track of stream.getTracks()) track.addEventListener("ended", () => this.#lost(stream));
    const whip = new Whip(`/${encodeURIComponent(session)}/whip`);
    this.#whip = whip;
    whip.addEventListener("state", () => this.#changed(whip));
    try {
      await whip.start(stream);
    } catch (error) {
      this.stop();
      throw error;
    }
    const { width = 1280, height = 720, frameRate = 30, deviceId = "" } = stream.getVideoTracks()[0].getSettings();
    remember({ ...options, device: deviceId });
    return `webrtc:?video_size=${even(width)}x${even(height)}&framerate=${Math.max(1, Math.round(frameRate))}`;
  }

  stop() {
    const [whip, stream] = [this.#whip, this.stream];
    [this.#whip, this.stream] = [null, null];
    whip?.stop();
    release(stream);
    if (whip) this.dispatchEvent(new Event("state"));
  }

  #changed(whip) {
    if (whip !== this.#whip) return;
    if (whip.state === "failed") {
      release(this.stream);
      this.stream = null;
    }
    this.dispatchEvent(new Event("state"));
  }

  #lost(stream) {
    if (stream === this.stream) this.stop();
  }
}

export const pageCamera = new PageCamera();
addEventListener("pagehide", () => pageCamera.stop());

const even = (px) => Math.max(2, Math.round(px / 2) * 2);

function remember(options) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(options));
  } catch {
    // storage is forbidden: it is asked for again
  }
}

export function forget() {
  try {
    localStorage.removeItem(KEPT);
  } catch {
    // nothing was kept
  }
}

// What this browser gave when it last did, and may give again without a question; null otherwise.
export async function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    const allowed = kept && able() && (await navigator.permissions.query({ name: "camera" }));
    return allowed?.state === "granted" ? kept : null;
  } catch {
    return null; // Firefox does not tell; then the user chooses it again
  }
}
