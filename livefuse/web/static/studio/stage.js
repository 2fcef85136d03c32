// The stage: the picture that leaves, what state it is in, and the bar of controls below it.

import { Whep } from "../whep.js";
import { mountCompare } from "./compare.js";
import { fill, h, sentence, write } from "./dom.js";
import { mountBar } from "./stage_bar.js";
import { t } from "./words.js";

const UNSEEN_MS = 30000; // a page that nobody sees need not keep a session awake
const IDLE_MS = 2500;

export function mount(host, studio) {
  const stage = new Stage(host, studio);
  studio.stream = stage.video;
  studio.whep = stage.whep;
  stage.compare = mountCompare(stage, studio);
  mountBar(stage, studio);
  stage.begin();
}

class Stage {
  // What was asked for and the daemon has not confirmed yet: shown at once.
  asked = null;
  mirrored = false;

  constructor(host, studio) {
    Object.assign(this, { host, studio });
    this.whep = new Whep("");
    this.video = h("video", { class: "stage-video", playsinline: true, autoplay: true, muted: true, tabindex: "-1", "aria-label": t("The picture that leaves") });
    this.state = h("span", {}, t("Connecting"));
    this.pill = h("p", { class: "stage-pill pill", role: "status" }, h("span", { class: "dot", "aria-hidden": "true" }), this.state);
    this.words = h("p", { class: "stage-reason" });
    this.hint = h("p", { class: "quiet" });
    this.act = h("button", { type: "button", class: "main", hidden: true });
    this.notice = h("div", { class: "stage-notice", role: "alert", hidden: true }, this.words, this.hint, this.act);
    this.curtain = h("div", { class: "stage-curtain", hidden: true }, h("strong", {}, ""), h("span", {}, ""));
    this.frame = h("div", { class: "stage-frame" }, this.video, this.curtain, this.pill, this.notice);
    this.bar = h("div", { class: "stage-bar", role: "toolbar", "aria-label": t("Controls of the picture") });
    fill(host, this.frame, this.bar);
  }

  begin() {
    const { whep, video, studio } = this;
    whep.addEventListener("stream", () => this.#play(whep.stream));
    whep.addEventListener("state", () => this.show());
    video.addEventListener("resize", () => this.#fit());
    studio.on("session", () => this.#watch());
    studio.on("summary", () => this.#confirmed());
    studio.on("online", () => this.seen() && whep.again());
    addEventListener("online", () => whep.again());
    addEventListener("pagehide", () => whep.stop());
    addEventListener("pageshow", (event) => event.persisted && this.#watch());
    document.addEventListener("visibilitychange", () => this.#visible());
    for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) this.host.addEventListener(kind, () => this.awake());
    document.addEventListener("fullscreenchange", () => this.awake());
    this.show();
  }

  get hold() {
    return this.asked ?? this.studio.summary?.hold ?? "";
  }

  seen() {
    return !document.hidden || document.pictureInPictureElement === this.video;
  }

  // Sent first and shown second: what is to be private is so as soon as the request is out.
  async holdAs(kind) {
    const { studio } = this;
    const sent = studio.ask(studio.path(kind ? `/${kind}` : "/resume"), { method: "POST" });
    this.asked = kind;
    this.asking = sent;
    this.show();
    try {
      await sent;
      await studio.refresh("summary");
    } catch (error) {
      studio.fail(error);
    } finally {
      if (this.asking === sent) this.asked = null; // else something else has been asked for since
      this.show();
    }
  }

  show() {
    const { summary } = this.studio;
    const [state, words] = told(this.whep, this.hold, summary);
    this.frame.dataset.state = this.pill.dataset.state = state;
    write(this.state, words);
    const unconfirmed = this.asked && this.asked !== (summary?.hold ?? "");
    this.curtain.hidden = !unconfirmed;
    write(this.curtain.firstChild, this.asked === "panic" ? t("Private") : t("Paused"));
    write(this.curtain.lastChild, t("Everybody sees a slate instead of the picture."));
    this.#note(this.#trouble(summary));
    this.host.dispatchEvent(new Event("shown"));
  }

  #trouble(summary) {
    const { whep } = this;
    if (whep.state === "refused") return { words: whep.reason, hint: whep.hint };
    const error = summary?.error;
    const running = summary?.state === "running";
    if (error && !running) return { words: error.message, hint: error.hint, act: [t("Try again"), "/restart"] };
    if (summary?.state === "stopped") return { words: t("This session is stopped."), act: [t("Start it"), "/start"] };
    if (summary?.state === "ended") return { words: t("The source has ended."), act: [t("Play it again"), "/restart"] };
    if (whep.reason && whep.hint && whep.state !== "live") return { words: whep.reason, hint: whep.hint };
    return null;
  }

  #note(trouble) {
    this.notice.hidden = !trouble;
    if (!trouble) return;
    write(this.words, sentence(trouble.words));
    write(this.hint, trouble.hint ? t("Try: {hint}", { hint: trouble.hint }) : "");
    this.act.hidden = !trouble.act;
    if (!trouble.act) return;
    const [label, path] = trouble.act;
    write(this.act, label);
    this.act.onclick = () => this.studio.busy(this.act, this.studio.ask(this.studio.path(path), { method: "POST" }).then(() => this.studio.refresh("config")));
  }

  #watch() {
    const { whep, studio, video } = this;
    whep.stop();
    if (!studio.session) return;
    video.srcObject = null; // not the one before
    whep.url = `/${encodeURIComponent(studio.session)}/whep`;
    if (this.seen()) whep.start();
    this.show();
  }

  #confirmed() {
    if (this.asked !== null && this.asked === (this.studio.summary?.hold ?? "")) this.asked = null;
    this.show();
  }

  #play(stream) {
    this.video.srcObject = stream;
    this.video.play().catch(() => {
      this.video.muted = true;
      this.video.play().catch(() => {}); // replaced by the next stream
    });
    this.show();
  }

  #fit() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth) this.frame.style.setProperty("--aspect", `${videoWidth} / ${videoHeight}`);
  }

  #visible() {
    clearTimeout(this.leaving);
    if (document.hidden) this.leaving = setTimeout(() => this.seen() || this.whep.stop(), UNSEEN_MS);
    else this.whep.start();
  }

  awake() {
    this.host.classList.remove("idle");
    clearTimeout(this.idling);
    if (document.fullscreenElement === this.host) this.idling = setTimeout(() => this.host.classList.add("idle"), IDLE_MS);
  }
}

// What holds now, as a style knows it and in words.
function told(whep, hold, summary) {
  if (hold === "panic") return ["panic", t("Private")];
  if (hold === "pause") return ["pause", t("Paused")];
  const state = summary?.state;
  if (state === "failed" || (summary?.error && state !== "running")) return ["failed", t("Interrupted")];
  if (state === "stopped" || state === "ended") return ["idle", state === "ended" ? t("Ended") : t("Stopped")];
  if (whep.state === "refused") return ["refused", t("Not allowed")];
  if (summary?.idle) return ["idle", t("Idle")];
  if (whep.state === "live" && state !== "starting") return ["live", t("Live")];
  if (whep.state === "waiting" || whep.state === "reconnecting") return ["reconnecting", t("Interrupted")];
  return ["connecting", t("Connecting")];
}
