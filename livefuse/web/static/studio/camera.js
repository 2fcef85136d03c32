// The virtual camera: whether other programs have it, what is missing if not, and a look at it as they see it.

import { copyable, fill, h, write } from "./dom.js";
import { CameraTest } from "./camera_look.js";
import { t } from "./words.js";

const LOOK_MS = 4000;
const SIZES = { "1280x720": "1280 × 720", "1920x1080": "1920 × 1080", "960x540": "960 × 540", "640x480": "640 × 480" };

export function mount(host, studio) {
  new Panel(host, studio);
}

class Panel {
  constructor(host, studio) {
    [this.host, this.studio] = [host, studio];
    this.note = host.closest(".panel")?.querySelector(".panel-note");
    this.on = h("input", { type: "checkbox", role: "switch", onchange: () => this.turn(this.on.checked) });
    this.words = h("p", { class: "camera-words", "aria-live": "polite" });
    this.size = h("select", { onchange: () => this.resize() }, Object.entries(SIZES).map(([value, label]) => h("option", { value }, label)));
    this.missing = h("div", { class: "camera-missing", hidden: true });
    this.apps = h("details", { class: "camera-apps", hidden: true });
    this.test = new CameraTest(studio, () => this.look());
    fill(host,
      h("label", { class: "switch" }, h("span", {}, t("Show the picture to call apps")), this.on),
      this.words,
      this.missing,
      h("div", { class: "row camera-row" },
        h("label", { class: "field" }, t("Size, fixed while it is on"), this.size),
        this.test.button),
      this.test.element,
      this.apps);
    this.told = null;
    studio.on("session", () => this.look());
    studio.on("online", () => this.look());
    studio.on("sinks", () => this.look());
    document.addEventListener("visibilitychange", () => this.look());
    setInterval(() => this.look(), LOOK_MS);
    this.look();
  }

  get looked() {
    const panel = this.host.closest("details");
    return !document.hidden && this.studio.session && (!panel || panel.open || this.told === null);
  }

  async look() {
    if (!this.looked || this.acting) return;
    const asked = this.studio.session;
    try {
      const told = await this.studio.ask(this.studio.path("/camera"));
      if (asked === this.studio.session && !this.acting) this.show(told);
    } catch {
      // the shell says when the daemon is away or wants the token
    }
  }

  async turn(on) {
    await this.act(on ? { method: "PUT", json: { size: this.size.value } } : { method: "DELETE" }, on ? t("The virtual camera is on") : t("The virtual camera is off"));
  }

  async resize() {
    if (this.told?.state === "on" || this.told?.state === "lost") {
      await this.act({ method: "PUT", json: { size: this.size.value } }, t("The camera has another size: apps may have to choose it again"));
    }
  }

  async act(request, words) {
    this.acting = true;
    this.on.disabled = this.size.disabled = true;
    try {
      await this.studio.ask(this.studio.path("/camera"), request);
      this.studio.say(words);
    } catch (error) {
      this.studio.fail(error);
    } finally {
      this.acting = false;
      this.on.disabled = this.size.disabled = false;
      this.studio.refresh("sinks");
      await this.look();
    }
  }

  show(told) {
    const on = told.state === "on" || told.state === "lost";
    this.told = told;
    this.on.checked = on;
    this.on.disabled = told.state === "missing";
    if (on && document.activeElement !== this.size) this.size.value = told.size;
    fill(this.words, stateWords(told));
    if (this.note) write(this.note, { on: readersWords(told) || t("On"), off: t("Off"), lost: t("Lost"), missing: t("One step missing") }[told.state]);
    this.showMissing(told);
    this.showApps(told);
    this.test.offer(told);
  }

  showMissing(told) {
    const [command, why] = told.fix ? [told.fix, told.state === "missing" ? told.error : ""] : ["", ""];
    const key = `${command}\n${why}`;
    if (this.missing.dataset.shown === key) return;
    this.missing.dataset.shown = key;
    this.missing.hidden = !command;
    if (!command) return;
    const again = h("button", { type: "button", class: "small", onclick: () => this.studio.busy(again, this.look()) }, t("Check again"));
    fill(this.missing,
      h("p", {}, t("One command is missing. Run it in a terminal of the machine that livefuse runs on:")),
      copyable(command, t("Command")),
      h("div", { class: "row" }, again, h("span", { class: "quiet" }, why)));
  }

  showApps(told) {
    const key = JSON.stringify([told.devices, told.more]);
    if (this.apps.dataset.shown === key) return;
    this.apps.dataset.shown = key;
    const finding = told.devices.map((one) => appsOf(one.kind));
    this.apps.hidden = !finding.length && !told.more;
    fill(this.apps,
      h("summary", {}, t("Which apps find it")),
      finding.length ? h("ul", {}, finding.map((app) => h("li", {}, app))) : null,
      told.more ? [h("p", { class: "quiet" }, t("Zoom, Discord and other apps that know V4L2 only need one more command:")), copyable(told.more, t("Command"))] : null,
      h("p", { class: "quiet" }, t("An app that was open before may have to be restarted to list it.")));
  }
}

function appsOf(kind) {
  if (kind === "pipewire") return t("Browsers that take cameras from the desktop (Firefox on Fedora, Chromium with its PipeWire camera flag), and OBS as a PipeWire source");
  if (kind === "v4l2") return t("Chrome, Edge, Firefox, Zoom, Discord, Teams and OBS");
  return t("Browsers, Zoom, Discord and Teams; not the Camera app of Windows");
}

function stateWords(told) {
  if (told.state === "missing") return t("This system has no virtual camera yet.");
  if (told.state === "lost") return [h("span", { class: "badge warn" }, t("Lost")), " ", t("It is tried again: {why}", { why: told.error })];
  if (told.state === "off") return t("Off. Call apps do not list it.");
  const where = told.devices.map((one) => one.where).filter((one) => one !== told.label);
  return [t("Apps see it as"), " ", h("strong", {}, told.label), ...[readersWords(told), ...where].filter(Boolean).map((word) => [" · ", h("span", { class: "quiet" }, word)])];
}

function readersWords(told) {
  if (told.readers === null || told.state !== "on") return "";
  return told.readers ? t("In use") : t("Nobody looks");
}
