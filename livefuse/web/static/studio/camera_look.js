// The camera test: our own device, opened by this browser as an app would, with what it shows and how late.

import { NO_PICTURES, NOT_ALLOWED, NOT_FOUND, NOT_HERE, findDevice, measure, openDevice, percentile } from "./camera_test.js";
import { fill, h, write } from "./dom.js";
import { t } from "./words.js";

const SECONDS = 6, MARKED_S = 12;

export class CameraTest {
  constructor(studio, changed) {
    [this.studio, this.changed] = [studio, changed];
    this.button = h("button", { type: "button", onclick: () => this.toggle(), disabled: true }, t("Test camera"));
    this.video = h("video", { muted: true, playsinline: true, "aria-label": t("What apps get") });
    this.figures = h("dl", { class: "camera-figures" });
    this.words = h("p", { class: "camera-words", "aria-live": "polite" });
    this.element = h("div", { class: "camera-test", hidden: true }, this.video, this.figures, this.words);
    this.label = "livefuse";
  }

  // Only a camera that is on can be tested.
  offer(told) {
    this.label = told.label;
    if (!this.stop) this.button.disabled = told.state !== "on";
  }

  async toggle() {
    if (this.stop) {
      this.stop.abort();
      return;
    }
    this.stop = new AbortController();
    this.element.hidden = false;
    this.video.hidden = true;
    fill(this.figures);
    write(this.button, t("Stop the test"));
    write(this.words, t("Looking for the camera in this browser …"));
    try {
      await this.run(this.stop.signal);
    } catch (error) {
      this.video.hidden = true;
      if (error.kind) write(this.words, faultWords(error, this.label));
      else this.studio.fail(error);
    } finally {
      for (const track of this.video.srcObject?.getTracks() ?? []) track.stop();
      this.video.srcObject = null;
      this.stop = null;
      write(this.button, t("Test camera"));
      this.changed();
    }
  }

  async run(signal) {
    const device = await findDevice(this.label);
    await this.studio.ask(this.studio.path("/camera/test"), { method: "POST", json: { seconds: MARKED_S } });
    this.video.srcObject = await openDevice(device);
    this.video.hidden = false;
    write(this.words, t("Measuring for {n} seconds …", { n: SECONDS }));
    await this.video.play();
    const figures = await measure(this.video, SECONDS, { signal, told: (soFar) => this.show(soFar) });
    this.keepPicture();
    this.show(figures);
    write(this.words, verdict(figures));
  }

  // The last picture stays when the device is let go of.
  keepPicture() {
    const canvas = h("canvas", { width: this.video.videoWidth, height: this.video.videoHeight });
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    this.video.poster = canvas.toDataURL("image/jpeg", 0.8);
  }

  show(figures) {
    const late = (share) => milliseconds(percentile(figures.latencies, share));
    const rows = [
      [t("Rate"), figures.fps ? `${figures.fps.toFixed(1)} fps` : "–"],
      [t("Latency, median"), late(0.5)],
      [t("Latency, 95 %"), late(0.95)],
      [t("Size"), figures.width ? `${figures.width} × ${figures.height}` : "–"],
      [t("Not shown"), String(figures.lost)],
    ];
    fill(this.figures, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }
}

function milliseconds(value) {
  return Number.isFinite(value) ? `${Math.round(value)} ms` : "–";
}

function verdict(figures) {
  if (!figures.read) return t("This browser shows a camera of that name, but not the pictures of this session. Is it another machine's, or another program's?");
  if (!figures.latencies.length) return t("The pictures arrive. Their age cannot be told: this browser's clock is not the daemon's.");
  return t("It works: apps get the picture. The latency is that of the camera alone, after livefuse has finished with a frame.");
}

function faultWords(error, label) {
  switch (error.kind) {
    case NOT_HERE:
      return t("Browsers use cameras only over HTTPS or on localhost: open this page there.");
    case NOT_ALLOWED:
      return t("This page may not use cameras: allow it in the address bar, then test again.");
    case NOT_FOUND:
      return t("This browser lists no camera “{label}”. It must run on the same machine as livefuse. Restart the browser if it was open before; Chromium shows PipeWire cameras only with the flag “PipeWire camera support”.", { label });
    case NO_PICTURES:
      return t("The camera is listed and gives no pictures. Is it in use by an app that does not share it? {why}", { why: error.message });
    default:
      return error.message;
  }
}
