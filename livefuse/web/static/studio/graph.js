// The latency graph: the last minute of latency with what each stage has of it, frame rate, and drops by their cause.

import { BURST_MS, rates } from "./causes.js";
import { fill, h, write } from "./dom.js";
import { draw, indexAt, WINDOW_MS } from "./graph_draw.js";
import { number, t } from "./words.js";

// Stages of the record that belong together, in the order in which a picture meets them.
const GROUPS = () => [
  { name: t("Capture"), stages: ["capture"] },
  { name: t("Waiting"), stages: ["queue", "overlap", "lane", "wait"] },
  { name: t("Detect"), stages: ["look", "detect"] },
  { name: t("Align"), stages: ["follow", "align"] },
  { name: t("Swap"), stages: ["swap"] },
  { name: t("Enhance"), stages: ["enhance"] },
  { name: t("Composite"), stages: ["upload", "composite", "download"] },
  { name: t("Encode and send"), stages: ["sink"] },
  { name: t("Other"), stages: [] },
];
const CAUSES = () => ({ capture: t("replaced by a newer one"), deadline: t("too late") });

export function mount(host, studio) {
  const graph = new Graph(host, studio);
  studio.on("session", () => graph.clear());
  studio.on("stats", (record) => graph.add(record));
  document.addEventListener("visibilitychange", () => graph.redraw());
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => graph.redraw());
  new MutationObserver(() => graph.redraw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  new ResizeObserver(() => graph.redraw()).observe(graph.canvas);
}

class Graph {
  samples = [];
  chosen = -1; // the sample under the crosshair
  #last = null;
  #due = 0;

  constructor(host, studio) {
    Object.assign(this, { host, studio, groups: GROUPS(), causes: CAUSES() });
    this.canvas = h("canvas", { class: "graph-canvas", role: "img", tabindex: "0", "aria-label": t("Latency of the last minute, by stage. Arrow keys read values."), "aria-describedby": "graph-legend" });
    this.tip = h("div", { class: "graph-tip", hidden: true, "aria-hidden": "true" });
    this.spoken = h("p", { class: "visually-hidden", role: "status" });
    this.rows = this.groups.map((group) => this.#row(group));
    this.lines = { p50: h("td", {}), p95: h("td", {}), fps: h("td", {}) };
    this.drops = h("p", { class: "graph-drops quiet" });
    const lines = [["p50", t("Half are faster (p50)")], ["p95", t("95 % are faster (p95)")], ["fps", t("Frames per second")]];
    const table = h(
      "table",
      { class: "graph-legend", id: "graph-legend" },
      h("caption", { class: "visually-hidden" }, t("Latency now, by stage, in milliseconds")),
      h("thead", { class: "visually-hidden" }, h("tr", {}, h("th", { scope: "col" }, t("Stage")), h("th", { scope: "col" }, t("Now")))),
      h("tbody", {}, this.rows.toReversed().map((row) => row.element)),
      h("tbody", {}, lines.map(([key, label]) => h("tr", {}, h("th", { scope: "row" }, h("span", { class: `graph-line ${key}`, "aria-hidden": "true" }), label), this.lines[key]))),
    );
    fill(host, h("div", { class: "graph-plot" }, this.canvas, this.tip, this.drops), h("div", { class: "graph-side" }, table), this.spoken);
    this.#listen();
  }

  #row(group) {
    const value = h("td", {}, "");
    const swatch = h("span", { class: "graph-swatch", dataset: { group: this.groups.indexOf(group) }, "aria-hidden": "true" });
    return { value, element: h("tr", { title: group.stages.join(", "), hidden: true }, h("th", { scope: "row" }, swatch, group.name), value) };
  }

  add(record) {
    const now = { at: performance.now(), record };
    const burst = this.#last && now.at - this.#last.at < BURST_MS;
    const same = this.#last && !burst && now.at - this.#last.at < 5000 && (record.frames?.captured ?? 0) >= (this.#last.record.frames?.captured ?? 0);
    const rate = same ? rates(this.#last, now) : null;
    this.#last = now;
    if (burst) this.samples.pop();
    this.samples.push(this.#sample(now.at, record, rate));
    while (this.samples.length && now.at - this.samples[0].at > WINDOW_MS + 3000) {
      this.samples.shift();
      if (this.chosen >= 0) this.chosen -= 1;
    }
    this.redraw();
  }

  #sample(at, record, rate) {
    const recent = record.recent ?? {};
    const left = { ...recent.stages_ms };
    const bands = this.groups.map(({ stages }) => stages.reduce((sum, name) => sum + take(left, name), 0));
    bands[bands.length - 1] = Object.values(left).reduce((sum, ms) => sum + ms, 0);
    const since = rate ? Object.entries(rate.dropped).filter(([cause, n]) => n >= 0.5 && cause !== "held" && cause !== "idle") : [];
    const drops = since.map(([cause, n]) => ({ cause, n: Math.round(n), shape: ["capture", "deadline"].indexOf(cause) }));
    return { at, bands, drops, p50: recent.latency_ms?.p50, p95: recent.latency_ms?.p95, fps: rate?.out, empty: !recent.frames, hold: record.hold || (record.idle ? "idle" : "") };
  }

  clear() {
    [this.samples, this.chosen, this.#last] = [[], -1, null];
    this.redraw();
  }

  // At most once per frame, and not while nobody sees it.
  redraw() {
    if (this.#due || document.hidden || !this.canvas.checkVisibility()) return;
    this.#due = requestAnimationFrame(() => {
      this.#due = 0;
      draw(this.canvas, this.samples, { chosen: this.chosen, wanted: this.#last?.record.source?.fps ?? 0, words: WORDS(this.samples.at(-1)?.hold) });
      this.#legend();
      this.#tell();
    });
  }

  #legend() {
    const last = this.samples.at(-1);
    this.rows.forEach(({ element, value }, index) => {
      element.hidden = !this.samples.some((one) => one.bands[index] > 0.05);
      write(value, last && !last.empty ? ms(last.bands[index]) : "–");
    });
    for (const key of ["p50", "p95"]) write(this.lines[key], ms(last?.[key]));
    write(this.lines.fps, last?.fps === undefined ? "–" : number(last.fps, last.fps < 9.95 ? 1 : 0));
    const dropped = new Map();
    for (const { drops } of this.samples) for (const { cause, n } of drops) dropped.set(cause, (dropped.get(cause) ?? 0) + n);
    const said = [...dropped].map(([cause, n]) => `${MARKS[["capture", "deadline"].indexOf(cause)] ?? "●"} ${this.#named(cause)}: ${number(n)}`);
    write(this.drops, said.length ? said.join("  ·  ") : t("Nothing dropped in the last minute"));
  }

  #named(cause) {
    return this.causes[cause] ?? t("{sink} busy", { sink: cause.split(":")[0] });
  }

  #listen() {
    const { canvas } = this;
    const choose = (index) => {
      if (index === this.chosen) return;
      this.chosen = index;
      this.redraw();
    };
    canvas.addEventListener("pointermove", (event) => choose(indexAt(canvas, this.samples, event.offsetX)));
    canvas.addEventListener("pointerleave", () => choose(-1));
    canvas.addEventListener("blur", () => choose(-1));
    canvas.addEventListener("keydown", (event) => {
      const last = this.samples.length - 1;
      const from = this.chosen < 0 ? last + (event.key === "ArrowRight" ? 0 : 1) : this.chosen;
      const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, Escape: -1 }[event.key];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      choose(to < 0 && event.key !== "Escape" ? 0 : Math.min(to, last));
      write(this.spoken, this.chosen < 0 ? "" : this.#words(this.samples[this.chosen]).join(", "));
    });
  }

  #words(sample) {
    const ago = t("{n} s ago", { n: Math.round((this.samples.at(-1).at - sample.at) / 1000) });
    if (sample.hold) return [ago, HELD()[sample.hold]];
    if (sample.empty) return [ago, t("no picture")];
    const stages = this.groups.map(({ name }, index) => [name, sample.bands[index]]).filter(([, took]) => took > 0.05);
    return [
      ago,
      `p50 ${ms(sample.p50)}, p95 ${ms(sample.p95)}`,
      sample.fps === undefined ? "" : t("{n} fps", { n: number(sample.fps) }),
      ...stages.toReversed().map(([name, took]) => `${name} ${ms(took)}`),
      ...sample.drops.map(({ cause, n }) => t("{n} dropped: {cause}", { n, cause: this.#named(cause) })),
    ].filter(Boolean);
  }

  // The values under the crosshair.
  #tell() {
    const sample = this.samples[this.chosen];
    this.tip.hidden = !sample;
    if (!sample) return;
    fill(this.tip, this.#words(sample).map((line) => h("p", {}, line)));
    const share = indexAt.place(this.canvas, this.samples, this.chosen) / this.canvas.clientWidth;
    this.tip.style.left = share < 0.5 ? `calc(${100 * share}% + 12px)` : "auto";
    this.tip.style.right = share < 0.5 ? "auto" : `calc(${100 * (1 - share)}% + 12px)`;
  }
}

const MARKS = { 0: "▲", 1: "■" };
const HELD = () => ({ panic: t("Private"), pause: t("Paused"), idle: t("Idle") });
const WORDS = (hold) => ({ ms: t("ms"), fps: t("fps"), ago: t("{n} s ago", { n: 60 }), now: t("now"), waiting: hold ? HELD()[hold] : t("The graph begins with the first picture.") });

function take(from, name) {
  const value = from[name] ?? 0;
  delete from[name];
  return value;
}

const ms = (value) => (Number.isFinite(value) ? `${number(value, value < 9.95 ? 1 : 0)} ms` : "–");
