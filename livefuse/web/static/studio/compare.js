// The camera beside the swap: one video whose left half came in and whose right half left, both of the same frame.

import { Whep } from "../whep.js";
import { h } from "./dom.js";
import { t } from "./words.js";

const UNSEEN_MS = 30000;
const SEAM_PX = 1; // where the halves meet, the codec mixes them
const NARROW_PX = 580;
const [STEP, LEAP] = [0.02, 0.1];

export function mountCompare(stage, studio) {
  const compare = new Compare(stage, studio);
  studio.on("session", () => compare.stop());
  studio.key("b", t("While held: only the camera"), () => compare.peek(true));
  addEventListener("keyup", (event) => event.key.toLowerCase() === "b" && compare.peek(false));
  addEventListener("blur", () => compare.peek(false));
  addEventListener("pagehide", () => compare.stop());
  document.addEventListener("visibilitychange", () => compare.visible());
  return compare;
}

class Compare {
  on = false;
  split = 0.5;
  mode = "wipe"; // or "beside"
  peeking = false;
  onchange = () => {};

  constructor(stage, studio) {
    Object.assign(this, { stage, studio });
    this.whep = new Whep("");
    this.video = h("video", { class: "compare-source", playsinline: true, muted: true, tabindex: "-1", "aria-hidden": "true" });
    this.canvas = h("canvas", { class: "compare-canvas", role: "img", "aria-label": t("The camera's picture beside the swapped one") });
    this.pen = this.canvas.getContext("2d", { alpha: false });
    this.line = h("div", { class: "compare-line", role: "slider", tabindex: "0", "aria-label": t("Where the camera's picture ends"), "aria-valuemin": "0", "aria-valuemax": "100", "aria-orientation": "horizontal" });
    this.labels = [h("span", { class: "compare-label before" }, t("Camera")), h("span", { class: "compare-label after" }, t("Swapped"))];
    this.tools = this.#tools();
    this.layer = h("div", { class: "compare" }, this.video, this.canvas, this.labels, this.line, this.tools);
    this.whep.addEventListener("stream", () => this.#play());
    this.whep.addEventListener("state", () => this.#told());
    this.#listen();
    new ResizeObserver(() => this.on && this.#place()).observe(stage.frame);
  }

  #tools() {
    const mode = (name, label) => h("button", { type: "button", "aria-pressed": String(this.mode === name), dataset: { mode: name }, onclick: () => this.setMode(name) }, label);
    const hold = h("button", { type: "button", title: t("Hold to see only the camera (B)"), "aria-keyshortcuts": "b" }, t("Hold: camera"));
    hold.addEventListener("pointerdown", () => this.peek(true));
    for (const kind of ["pointerup", "pointercancel", "pointerleave", "blur"]) hold.addEventListener(kind, () => this.peek(false));
    hold.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && this.peek(true));
    hold.addEventListener("keyup", () => this.peek(false));
    return h("div", { class: "compare-tools", role: "group", "aria-label": t("How to compare") }, mode("wipe", t("Wipe")), mode("beside", t("Side by side")), hold);
  }

  #listen() {
    const { layer, line, tools } = this;
    const follow = (event) => this.setSplit((event.clientX - this.drawn.left) / this.drawn.width);
    layer.addEventListener("pointerdown", (event) => {
      if (this.mode !== "wipe" || event.button > 0 || tools.contains(event.target)) return;
      layer.setPointerCapture(event.pointerId);
      line.focus({ preventScroll: true, focusVisible: false });
      follow(event);
    });
    layer.addEventListener("pointermove", (event) => layer.hasPointerCapture(event.pointerId) && follow(event));
    layer.addEventListener("dblclick", (event) => tools.contains(event.target) || this.setSplit(0.5));
    line.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: this.split - STEP, ArrowDown: this.split - STEP, ArrowRight: this.split + STEP, ArrowUp: this.split + STEP, PageDown: this.split - LEAP, PageUp: this.split + LEAP, Home: 0, End: 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.setSplit(to);
    });
  }

  toggle() {
    if (this.on) this.stop();
    else this.start();
  }

  start() {
    const { studio, stage } = this;
    if (!studio.session) return;
    this.on = true;
    this.whep.url = `/${encodeURIComponent(studio.session)}/compare`;
    this.whep.start();
    this.onchange();
    stage.show();
  }

  stop() {
    if (!this.on) return;
    this.on = false;
    clearTimeout(this.leaving);
    this.whep.stop();
    this.video.srcObject = null;
    this.layer.remove();
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height); // nothing of the camera's picture is kept
    this.onchange();
    this.stage.show();
  }

  visible() {
    clearTimeout(this.leaving);
    if (!this.on) return;
    if (document.hidden) this.leaving = setTimeout(() => this.whep.stop(), UNSEEN_MS);
    else this.whep.start();
  }

  peek(on) {
    if (on === this.peeking || (on && !this.on)) return;
    this.peeking = on;
    this.redraw();
  }

  setMode(mode) {
    this.mode = mode;
    for (const button of this.tools.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    this.redraw();
  }

  setSplit(share) {
    this.split = Math.min(1, Math.max(0, share));
    this.redraw();
  }

  redraw() {
    if (!this.on || !this.layer.isConnected) return;
    this.#draw();
    this.#place();
  }

  #play() {
    const { video, stage } = this;
    if (!this.on) return;
    video.srcObject = this.whep.stream;
    video.play().catch(() => {}); // replaced by the next stream
    if (this.layer.isConnected) return;
    stage.frame.insertBefore(this.layer, stage.curtain);
    this.layer.hidden = true; // until there is a picture
    this.#follow();
  }

  #told() {
    const { whep, studio } = this;
    if (!this.on || whep.state !== "refused") return;
    studio.fail({ message: whep.reason, hint: whep.hint || t("only who holds the token sees the camera's picture") });
    this.stop();
  }

  #follow() {
    const { video } = this;
    const next = () => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(shown) : requestAnimationFrame(shown));
    const shown = () => {
      if (!this.layer.isConnected) return;
      this.#draw();
      next();
    };
    next();
  }

  #draw() {
    const { video, canvas, pen } = this;
    const half = Math.floor(video.videoWidth / 2);
    if (!half) return;
    const beside = this.mode === "beside" && !this.peeking;
    const size = [beside ? 2 * half : half, video.videoHeight];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    if (this.layer.hidden || this.half !== half) {
      this.half = half;
      this.layer.hidden = false;
      this.#place();
    }
    if (beside) {
      this.#put(0, 0, 0, 1);
      this.#put(1, half, 0, 1);
      pen.fillRect(half - 1, 0, 2, canvas.height);
      return;
    }
    const split = this.peeking ? 1 : this.split;
    if (split < 1) this.#put(1, 0, split, 1);
    if (split > 0) this.#put(0, 0, 0, split);
  }

  // One half (0: camera, 1: swapped) at `x`, of it what lies between two shares of its width.
  #put(which, x, from, to) {
    const { pen, video, half } = this;
    const [width, height] = [half - 2 * SEAM_PX, video.videoHeight];
    const left = which * half + SEAM_PX;
    pen.save();
    pen.beginPath();
    pen.rect(x + from * half, 0, (to - from) * half, height);
    pen.clip();
    if (this.stage.mirrored) pen.transform(-1, 0, 0, 1, 2 * x + half, 0);
    pen.drawImage(video, left, 0, width, height, x, 0, half, height);
    pen.restore();
  }

  // Where the picture is drawn, for the line and for pointers.
  get drawn() {
    const box = this.stage.frame.getBoundingClientRect();
    const aspect = this.canvas.width / this.canvas.height || 1;
    const width = Math.min(box.width, box.height * aspect);
    return { left: box.left + (box.width - width) / 2, width, inset: (box.width - width) / 2, below: (box.height - width / aspect) / 2 };
  }

  #place() {
    const { layer, line, labels, drawn } = this;
    const beside = this.mode === "beside";
    layer.dataset.mode = this.peeking ? "before" : this.mode;
    line.hidden = beside || this.peeking;
    const percent = Math.round(this.split * 100);
    line.style.left = `${drawn.inset + drawn.width * this.split}px`;
    line.setAttribute("aria-valuenow", String(percent));
    line.setAttribute("aria-valuetext", t("{n} % camera", { n: percent }));
    layer.classList.toggle("narrow", drawn.width < NARROW_PX); // no room beside the tools
    for (const label of labels) label.style.setProperty("--inset", `${drawn.below}px`);
    labels[0].style.left = `${drawn.inset + 12}px`;
    labels[1].style.right = `${drawn.inset + 12}px`;
    labels[0].classList.toggle("covered", !beside && !this.peeking && this.split < 0.12);
    labels[1].classList.toggle("covered", this.peeking || (!beside && this.split > 0.88));
  }
}
