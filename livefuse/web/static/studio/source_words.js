// What a source's address is called, and what is wrong with one.

import { t } from "./words.js";

const LINKS = ["rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "http", "https"];

const scheme = (source) => /^([a-z][a-z0-9+.-]+):/i.exec(source)?.[1].toLowerCase() ?? "";
const without = (source) => source.split("?")[0];

// Which choice an address belongs to: "browser", "test", "link", "file", or the url of a camera of the daemon's machine.
export function current(source, cameras) {
  const kind = scheme(source);
  if (kind === "webrtc") return "browser";
  if (kind === "synthetic") return "test";
  if (LINKS.includes(kind)) return "link";
  const camera = cameras.find((one) => [one.url, one.device_url, `camera:${one.name}`].includes(without(source)));
  if (camera) return camera.url;
  return kind && kind.length > 1 && kind !== "file" ? "" : source ? "file" : "";
}

export function nameOf(source, cameras) {
  const kind = current(source, cameras);
  if (kind === "browser") return t("A browser's camera");
  if (kind === "test") return t("Test picture");
  if (kind === "link") return without(source);
  if (kind === "file") return source.split(/[\\/]/).pop();
  return cameras.find((camera) => camera.url === kind)?.name ?? source;
}

// Words for what is wrong; nothing if nothing is.
export function linkFault(text) {
  const url = text.trim();
  if (!url) return t("Write or paste an address, such as rtsp://camera.local/stream.");
  const kind = scheme(url);
  if (!kind || !url.includes("://")) return t("An address begins with its kind: rtsp://, rtmp://, srt://, http:// or https://.");
  if (!LINKS.includes(kind)) return t("{kind}:// is no kind of stream that can be taken: {known}.", { kind, known: LINKS.join(", ") });
  if (/\s/.test(url)) return t("There is a space in the address.");
  if (kind !== "udp" && !/^[a-z]+:\/\/([^/@]*@)?[^/:?#]+/i.test(url)) return t("The address names no host.");
  return "";
}
