// What the ways in and out are called. The daemon says which there are, and their values.

import { t } from "./words.js";

export const GROUPS = {
  watch: { title: () => t("Watch"), words: () => t("In another tab, on another screen, in a program."), first: ["player", "player-network", "whep"] },
  publish: { title: () => t("Publish"), words: () => t("Send pictures in. The session takes them when its source is the browser or a program."), first: ["publish", "whip", "bearer"] },
  obs: { title: () => t("OBS Studio"), words: () => t("The browser source shows the picture in OBS; the stream service sends OBS's picture in."), first: ["obs-browser", "obs-service", "obs-server", "obs-bearer", "obs-sync"] },
  phone: { title: () => t("Phone") },
  command: { title: () => t("Command line"), words: () => t("The first line gives the others the token."), first: ["token", "panic", "ssh"] },
};

const WORDS = {
  "player": () => [t("Player")],
  "player-network": () => [t("Player, for another computer")],
  "whep": () => [t("WHEP address")],
  "gstreamer-out": () => [t("GStreamer")],
  "ffmpeg-out": () => [t("FFmpeg"), t("To be typed on the daemon's machine.")],
  "rtsp-out": () => [t("RTSP output"), t("Add it under Record and stream; a media server listens there.")],
  "rtmp-out": () => [t("RTMP output"), t("Add it under Record and stream, with your own host and key.")],
  "srt-out": () => [t("SRT output"), t("Only where FFmpeg was built with SRT.")],
  "publish": () => [t("This browser's camera")],
  "whip": () => [t("WHIP address")],
  "bearer": () => [t("Bearer token")],
  "ffmpeg-in": () => [t("FFmpeg 8")],
  "gstreamer-in": () => [t("GStreamer")],
  "rtmp-in": () => [t("RTMP source"), t("Choose it as the source; it waits until somebody sends.")],
  "rtsp-in": () => [t("RTSP source"), t("Choose it as the source; it waits until somebody sends.")],
  "srt-in": () => [t("SRT source"), t("Only where FFmpeg was built with SRT.")],
  "obs-browser": () => [t("Browser source: URL"), t("Width and height as the session's picture.")],
  "obs-service": () => [t("Settings, Stream: Service")],
  "obs-server": () => [t("Settings, Stream: Server")],
  "obs-bearer": () => [t("Settings, Stream: Bearer Token")],
  "obs-output": () => [t("Settings, Output: Encoder")],
  "obs-sync": () => [t("Sound in step with the picture"), t("Writes the measured latency into OBS's microphones, and follows it.")],
  "phone": () => [t("The phone as the camera")],
  "phone-watch": () => [t("Watch on the phone")],
  "phone-studio": () => [t("Control from the phone")],
  "ca": () => [t("Certificate to trust first")],
  "token": () => [t("The token, for the commands here")],
  "panic": () => [t("Panic: the slate, at once")],
  "resume": () => [t("Back from panic or pause")],
  "list": () => [t("Sessions")],
  "ssh": () => [t("Tunnel: then http://localhost has the camera"), t("Pictures go by UDP, straight to the daemon and not through the tunnel.")],
};

// [label, note] of a way; what this page does not know yet is called as the daemon calls it.
export function called(way) {
  const [label, note = ""] = WORDS[way.kind]?.() ?? [way.label, way.note];
  return { label, note };
}
