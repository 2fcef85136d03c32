// Where the pictures come from. A choice acts at once.

import { fill, h, write } from "./dom.js";
import { filePart } from "./source_file.js";
import { current, linkFault, nameOf } from "./source_words.js";
import { forget, able, listCameras, pageCamera, remembered, unable } from "./page_camera.js";
import { styled } from "./styled.js";
import { t } from "./words.js";

const SYNTHETIC = "synthetic:1280x720@30";
const SLOW_MS = 60000; // a camera may take ten seconds to open, and what went wrong is said after that
const SIZES = [[640, 480], [1280, 720], [1920, 1080]];

export async function mount(host, studio) {
  styled("source");
  const panel = new SourcePanel(host, studio);
  await panel.begin();
}

// Has a session take its pictures from `url`, and run. Raises what the daemon answers.
export async function takeSource(studio, url, more = {}) {
  const patient = { signal: AbortSignal.timeout(SLOW_MS) };
  await studio.ask(studio.path(), { method: "PATCH", json: { source: url, ...more }, ...patient });
  const now = await studio.ask(studio.path());
  if (["stopped", "ended"].includes(now.state)) await studio.ask(studio.path("/start"), { method: "POST", ...patient });
  await studio.refresh("config");
}

class SourcePanel {
  #cameras = [];
  #opened = ""; // whose settings are shown
  #busy = false;

  constructor(host, studio) {
    this.studio = studio;
    this.note = host.closest(".panel")?.querySelector(".panel-note");
    this.list = h("div", { class: "src-list", role: "group", "aria-label": t("Where the picture comes from") });
    this.lasting = h("p", { class: "quiet src-lasting", hidden: true });
    host.append(this.list, this.lasting);
    this.parts = {
      browser: this.#part("browser", t("This browser's camera"), () => this.#openBrowser()),
      link: this.#part("link", t("A link"), () => this.#open("link"), t("RTSP, RTMP, SRT, HTTP")),
      file: this.#part("file", t("A file"), () => this.#open("file"), t("A video or a picture")),
      test: this.#part("test", t("Test picture"), () => this.#take("test", SYNTHETIC), t("A drawn person: no camera needed")),
    };
    this.#fillBrowser();
    this.#fillLink();
    this.file = filePart(studio, (url, more) => this.#take("file", url, more));
    this.parts.file.body.append(this.file.element);
  }

  async begin() {
    this.studio.on("config", () => this.#show());
    this.studio.on("summary", () => this.#show());
    this.studio.on("online", () => {
      this.resumed = false;
      if (this.listed) this.#list(); // after the daemon was away
    });
    pageCamera.addEventListener("state", () => this.#pageCameraChanged());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#fillDevices());
    this.studio.on("identities", () => this.listed || this.#list()); // once the token is known
    await this.#list();
  }

  #part(key, title, act, words = "") {
    const sub = h("span", { class: "src-sub" }, words);
    const button = h("button", { type: "button", class: "src-choice", "aria-pressed": "false", onclick: act }, h("span", { class: "src-title" }, title), sub);
    const body = h("div", { class: "src-body", hidden: true });
    const element = h("div", { class: "src-part", dataset: { key } }, button, body);
    return { element, button, sub, body, title };
  }

  async #list() {
    try {
      this.listed = true;
      const [sources, first] = await Promise.all([this.studio.ask("/api/sources"), this.studio.ask("/api/first")]);
      this.#cameras = sources.cameras;
      this.#tellLasting(first);
    } catch (error) {
      this.listed = false;
      if (!error.needsToken) this.studio.fail(error);
    }
    this.servers = this.#cameras.map((camera) => {
      const words = [camera.note || modes(camera), camera.virtual ? t("virtual") : ""].filter(Boolean).join(" · ");
      const part = this.#part(camera.url, camera.name, () => this.#take(camera.url, camera.url), words);
      part.sub.classList.toggle("src-warn", Boolean(camera.note));
      const pick = modeChoice(camera, (url) => this.#take(camera.url, url));
      if (pick) part.body.append(pick);
      this.parts[camera.url] = part;
      return part.element;
    });
    const { browser, link, file, test } = this.parts;
    fill(this.list, this.servers, browser.element, link.element, file.element, test.element);
    this.#show();
  }

  #show() {
    const source = this.studio.config?.source ?? this.studio.summary?.source ?? "";
    const kind = current(source, this.#cameras);
    for (const [key, part] of Object.entries(this.parts)) {
      const chosen = key === kind;
      part.button.setAttribute("aria-pressed", String(chosen));
      part.body.hidden = !(part.body.childElementCount && (chosen || key === this.#opened));
      if (["link", "file"].includes(key)) part.button.setAttribute("aria-expanded", String(!part.body.hidden));
    }
    if (this.note) write(this.note, nameOf(source, this.#cameras));
    write(this.parts.browser.sub, this.#browserWords(kind));
    if (kind === "link" && document.activeElement !== this.url && !this.url.value) this.url.value = source;
    this.file.show(kind === "file" ? source : "", this.studio.config?.live?.loop ?? true);
    if (kind !== "browser" && source && pageCamera.state !== "idle" && !this.#busy) pageCamera.stop(); // somebody chose another
    if (kind === "browser") this.#resume();
  }

  // --- the browser's camera

  #browserWords(kind) {
    if (!able()) return t("Needs HTTPS or localhost");
    if (pageCamera.state === "live") return t("On: sent from this page");
    if (pageCamera.state === "connecting") return t("Connecting");
    if (pageCamera.state === "failed") return pageCamera.reason;
    if (kind !== "browser") return t("Asked for when you choose it");
    return this.studio.summary?.publisher ? t("Sent from another page") : t("Nobody sends yet: choose it to send from here");
  }

  #fillBrowser() {
    const again = () => pageCamera.state === "live" && this.#openBrowser();
    this.device = h("select", { onchange: again }, h("option", { value: "" }, t("Default camera")));
    this.size = h("select", { onchange: again }, SIZES.map(([w, hgt]) => h("option", { value: `${w}x${hgt}`, selected: w === 1280 }, `${w} × ${hgt}`)));
    this.sound = h("input", { type: "checkbox", onchange: again });
    const stop = h("button", { type: "button", class: "small", onclick: () => { pageCamera.stop(); forget(); this.#show(); } }, t("Stop sending"));
    this.parts.browser.body.append(
      h("label", { class: "field" }, h("span", {}, t("Camera")), this.device),
      h("div", { class: "src-pair" }, h("label", { class: "field" }, h("span", {}, t("Size")), this.size), stop),
      h("label", { class: "switch" }, h("span", {}, t("Microphone")), this.sound),
    );
  }

  async #fillDevices() {
    const chosen = pageCamera.stream?.getVideoTracks()[0].getSettings().deviceId ?? this.device.value;
    const options = (await listCameras()).map((camera, i) => h("option", { value: camera.deviceId, selected: camera.deviceId === chosen }, camera.label || t("Camera {n}", { n: i + 1 })));
    fill(this.device, options.length ? options : h("option", { value: "" }, t("Default camera")));
  }

  #openBrowser(options = this.#browserOptions()) {
    if (!able()) return this.studio.fail(unable());
    return this.#act("browser", async () => {
      const url = await pageCamera.publish(this.studio.session, options);
      await this.#fillDevices();
      await takeSource(this.studio, url);
    });
  }

  #browserOptions() {
    const [width, height] = this.size.value.split("x").map(Number);
    return { device: this.device.value, width, height, microphone: this.sound.checked };
  }

  // The page that gave its camera before a reload, or before the daemon's restart, gives it again, if the browser lets it without a question.
  async #resume() {
    if (!["idle", "failed"].includes(pageCamera.state)) return;
    if (this.resumed || this.#busy || !this.studio.summary || this.studio.summary.publisher) return;
    this.resumed = true;
    const options = await remembered();
    if (options && pageCamera.state !== "live") await this.#openBrowser(options);
  }

  #pageCameraChanged() {
    if (pageCamera.state === "failed") this.studio.fail(Object.assign(new Error(t("Your camera is not sent: {why}", { why: pageCamera.reason })), { hint: "" }));
    this.#show();
  }

  // --- a link

  #fillLink() {
    this.url = h("input", { type: "text", inputmode: "url", placeholder: "rtsp://camera.local/stream", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": t("Address of the stream") });
    const fault = h("p", { class: "fault", role: "alert", hidden: true });
    const use = h("button", { type: "submit", class: "main" }, t("Use"));
    const send = (event) => {
      event.preventDefault();
      const wrong = linkFault(this.url.value);
      write(fault, wrong);
      fault.hidden = !wrong;
      if (!wrong) this.#take("link", this.url.value.trim());
    };
    this.parts.link.body.append(h("form", { class: "src-form", onsubmit: send }, this.url, use), fault);
  }

  #open(key) {
    this.#opened = this.#opened === key ? "" : key;
    if (key === "file" && this.#opened) this.file.list();
    this.#show();
    if (this.#opened) this.parts[key].body.querySelector("input")?.focus();
  }

  // --- acting

  #take(key, url, more = {}) {
    return this.#act(key, async () => {
      await takeSource(this.studio, url, more);
      if (pageCamera.state !== "idle") pageCamera.stop();
      forget();
    });
  }

  async #act(key, work) {
    if (this.#busy) return;
    this.#busy = true;
    const opened = this.#opened;
    const { button } = this.parts[key];
    button.setAttribute("aria-busy", "true");
    try {
      await work();
      if (this.#opened === opened) this.#opened = ""; // what was opened meanwhile stays open
    } catch (error) {
      if (key === "browser") pageCamera.stop();
      this.studio.fail(error);
      this.studio.refresh("config");
    } finally {
      this.#busy = false;
      button.removeAttribute("aria-busy");
      this.#show();
    }
  }

  #tellLasting(first) {
    this.lasting.hidden = first.remembers;
    const from = first.config_file.split(/[\\/]/).pop();
    write(this.lasting, from ? t("What you change here lasts until the daemon ends: it runs from {file}.", { file: from }) : t("What you change here lasts until the daemon ends."));
  }
}

function modes(camera) {
  const sizes = new Set(camera.modes.map((mode) => mode.video_size.replace("x", " × ")));
  const fastest = Math.max(0, ...camera.modes.flatMap((mode) => mode.framerates));
  const largest = [...sizes].sort((a, b) => parseInt(b) - parseInt(a))[0];
  return largest ? t("up to {size}, {fps} fps", { size: largest, fps: Math.round(fastest) }) : "";
}

function modeChoice(camera, act) {
  const offered = new Map();
  for (const { video_size: size, framerates } of camera.modes) {
    for (const rate of framerates.filter((fps) => fps >= 10)) offered.set(`${size}@${rate}`, [size, rate]);
  }
  if (offered.size < 2) return null;
  const area = ([size]) => size.split("x").reduce((w, hgt) => w * hgt);
  const sorted = [...offered.values()].sort((a, b) => area(b) - area(a) || b[1] - a[1]);
  const options = sorted.map(([size, rate]) => h("option", { value: `?video_size=${size}&framerate=${rate}` }, `${size.replace("x", " × ")}, ${Math.round(rate)} fps`));
  const select = h("select", { onchange: (event) => act(camera.url + event.target.value) }, h("option", { value: "" }, t("Chosen for you")), options);
  return h("label", { class: "field" }, h("span", {}, t("Format")), select);
}
