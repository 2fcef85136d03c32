// Opens our own virtual camera in this browser, and reads number and time back from the blocks in its pictures.
// `livefuse.source.synthetic.blocks` says how the blocks are laid out.

const COLUMNS = 8, ROWS = 9, FINDER = 0b10110010, LEAST_CONTRAST = 60;
const MOST_MS = 20_000; // older than that is no picture of this test
const WRAP_US = 2 ** 32;

export const NOT_FOUND = "not-found";
export const NOT_ALLOWED = "not-allowed";
export const NOT_HERE = "not-here"; // no cameras without HTTPS or localhost
export const NO_PICTURES = "no-pictures";

export class CameraFault extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

// The device whose name holds `label`. Names are told only to pages that may use a camera: one is asked for if need be.
export async function findDevice(label, media = navigator.mediaDevices) {
  if (!media?.getUserMedia) throw new CameraFault(NOT_HERE, "");
  const ours = (devices) => devices.find((one) => one.kind === "videoinput" && one.label.toLowerCase().includes(label.toLowerCase()));
  const before = await media.enumerateDevices();
  if (ours(before)) return ours(before);
  if (before.some((one) => one.kind === "videoinput" && !one.label)) {
    const asked = await opened(media, { video: true });
    const after = ours(await media.enumerateDevices()); // names are hidden again once no camera is open
    for (const track of asked.getTracks()) track.stop();
    if (after) return after;
  }
  throw new CameraFault(NOT_FOUND, "");
}

export async function openDevice(device, media = navigator.mediaDevices) {
  return opened(media, { video: { deviceId: { exact: device.deviceId } } });
}

async function opened(media, constraints) {
  try {
    return await media.getUserMedia(constraints);
  } catch (error) {
    throw new CameraFault({ NotAllowedError: NOT_ALLOWED, NotFoundError: NOT_FOUND }[error.name] ?? NO_PICTURES, error.message);
  }
}

// What the video's pictures say for `seconds`: `told` is called with the figures so far after each of them.
export function measure(video, seconds, { told = () => {}, signal, now = () => performance.timeOrigin + performance.now() } = {}) {
  const reader = new Reader();
  const figures = { frames: 0, read: 0, lost: 0, width: 0, height: 0, fps: 0, latencies: [] };
  let first = 0, last = 0, id = null;
  return new Promise((done, failed) => {
    const ended = () => (figures.frames ? done(figures) : failed(new CameraFault(NO_PICTURES, "")));
    const timer = setTimeout(ended, seconds * 1000);
    signal?.addEventListener("abort", () => (clearTimeout(timer), done(figures)));
    const next = (at) => {
      if (signal?.aborted) return;
      video.requestVideoFrameCallback(next);
      const came = now();
      [figures.width, figures.height] = [video.videoWidth, video.videoHeight];
      const said = reader.read(video);
      figures.frames++;
      first ||= at;
      last = at;
      if (figures.frames > 1) figures.fps = ((figures.frames - 1) * 1000) / (last - first);
      if (said) {
        figures.read++;
        if (id !== null) figures.lost += Math.max(0, ((said.id - id + 2 ** 24) % 2 ** 24) - 1);
        id = said.id;
        const age = ageMs(said.us, came);
        if (age < MOST_MS) figures.latencies.push(age);
      }
      told(figures);
    };
    video.requestVideoFrameCallback(next);
  });
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : NaN;
}

// How long ago `us`, the wall clock's microseconds modulo 2**32, was at `nowMs` of the same clock.
export function ageMs(us, nowMs) {
  const age = (((nowMs * 1000 - us) % WRAP_US) + WRAP_US) % WRAP_US;
  return age / 1000;
}

class Reader {
  constructor() {
    this.canvas = document.createElement("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
  }

  read(video) {
    const side = Math.min(video.videoWidth, video.videoHeight) >= 360 ? 16 : 8;
    const [width, height] = [COLUMNS * side, ROWS * side];
    if (this.canvas.width !== width) [this.canvas.width, this.canvas.height] = [width, height];
    this.context.drawImage(video, 0, 0, width, height, 0, 0, width, height);
    return readBlocks(this.context.getImageData(0, 0, width, height).data, width, side);
  }
}

// `pixels`: RGBA of a picture's corner, `width` to a line. Null where there are no blocks that can be trusted.
export function readBlocks(pixels, width, side) {
  const means = new Float64Array(COLUMNS * ROWS), core = side >> 2;
  for (let cell = 0; cell < means.length; cell++) {
    const [top, left] = [Math.floor(cell / COLUMNS) * side, (cell % COLUMNS) * side];
    let sum = 0, count = 0;
    for (let y = top + core; y < top + side - core; y++) {
      for (let x = left + core; x < left + side - core; x++, count++) sum += pixels[(y * width + x) * 4 + 1];
    }
    means[cell] = sum / count;
  }
  let white = 255, black = 0;
  for (let column = 0; column < COLUMNS; column++) {
    if (FINDER & (0x80 >> column)) white = Math.min(white, means[column]);
    else black = Math.max(black, means[column]);
  }
  if (white - black < LEAST_CONTRAST) return null;
  const bytes = new Uint8Array(ROWS - 1);
  for (let i = COLUMNS; i < means.length; i++) {
    if (means[i] > (white + black) / 2) bytes[(i >> 3) - 1] |= 0x80 >> (i & 7);
  }
  if (crc8(bytes.subarray(0, ROWS - 2)) !== bytes[ROWS - 2]) return null;
  const view = new DataView(bytes.buffer);
  return { id: view.getUint32(0) >>> 8, us: view.getUint32(3) };
}

function crc8(message) {
  let crc = 0;
  for (const byte of message) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1;
  }
  return crc;
}
