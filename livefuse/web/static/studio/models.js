// The model shelf: what there is, what is here, how fast it is on this machine, and what the session uses.

import { fill, h, write } from "./dom.js";
import { busy, watchJobs } from "./jobs_live.js";
import { Keyed } from "./keyed.js";
import { chosen } from "./models_acts.js";
import { card } from "./models_card.js";
import { enginesPart } from "./models_engines.js";
import { KINDS } from "./models_words.js";
import { styled } from "./styled.js";
import { t } from "./words.js";

const SHOWN = { all: () => true, here: (model) => model.installed || model.part_bytes > 0, used: (model) => model.used_by.length > 0, free: (model) => !model.non_commercial };

export function mount(host, studio) {
  styled("models");
  const shelf = new Shelf(studio);
  host.classList.add("shelf-view");
  host.append(shelf.tools(), shelf.engines.part, shelf.groups, shelf.none);
  studio.on("models", () => shelf.show());
  studio.on("config", () => shelf.show());
  studio.on("session", () => shelf.show());
  watchJobs(host, (jobs) => shelf.hear(jobs));
  if (!studio.models) studio.refresh("models");
  shelf.engines.show();
}

class Shelf {
  constructor(studio) {
    Object.assign(this, { studio, jobs: [], filter: "all", kind: "", text: "", parts: new Map() });
    this.groups = h("div", { class: "shelf" });
    this.none = h("p", { class: "empty", hidden: true }, t("No model is like that."));
    this.engines = enginesPart(studio);
  }

  tools() {
    const words = { all: t("All"), here: t("Here"), used: t("In use"), free: t("Free for any use") };
    const segments = Object.entries(words).map(([name, label]) =>
      h("button", { type: "button", "aria-pressed": String(name === this.filter), onclick: () => this.narrow({ filter: name }) }, label),
    );
    this.segments = Object.keys(words).map((name, index) => [name, segments[index]]);
    const kinds = h("select", { "aria-label": t("Kind"), onchange: (event) => this.narrow({ kind: event.target.value }) },
      h("option", { value: "" }, t("Every kind")), Object.entries(KINDS).map(([kind, [name]]) => h("option", { value: kind }, name)));
    const search = h("input", { type: "search", placeholder: t("Search"), "aria-label": t("Search models"), oninput: (event) => this.narrow({ text: event.target.value }) });
    this.count = h("p", { class: "quiet", role: "status" });
    return h("div", { class: "shelf-tools" }, h("div", { class: "segments", role: "group", "aria-label": t("Show") }, segments), kinds, search, this.count);
  }

  narrow(change) {
    Object.assign(this, change);
    for (const [name, button] of this.segments) button.setAttribute("aria-pressed", String(name === this.filter));
    this.show();
  }

  // A job that has ended leaves the shelf changed; so does one that another page began.
  hear(jobs) {
    const before = new Set(this.jobs.filter(busy).map((job) => job.id));
    const now = jobs.filter((job) => busy(job) && job.model);
    const known = new Set((this.studio.models?.models ?? []).map((model) => model.job).filter(Boolean));
    const changed = now.some((job) => !known.has(job.id)) || [...before, ...known].some((id) => !now.some((job) => job.id === id));
    for (const job of jobs) if (before.has(job.id) && job.model && job.state === "failed") this.studio.fail(failure(job));
    this.jobs = now;
    if (changed) this.studio.refresh("models");
    this.show();
  }

  show() {
    const all = this.studio.models?.models;
    if (!all) return fill(this.groups, h("p", { class: "quiet" }, t("Looking at the shelf…")));
    const words = this.text.trim().toLowerCase().split(/\s+/);
    const fits = (model) => SHOWN[this.filter](model) && (!this.kind || model.kind === this.kind) && words.every((word) => `${model.name} ${model.aliases.join(" ")} ${model.description} ${model.licence}`.toLowerCase().includes(word));
    const shown = all.filter(fits);
    if (!this.parts.size) this.groups.replaceChildren();
    this.group("", [t("On this machine"), ""], shown.filter(onHere));
    for (const [kind, names] of Object.entries(KINDS)) this.group(kind, names, shown.filter((model) => model.kind === kind && !onHere(model)));
    this.none.hidden = shown.length > 0;
    const here = all.filter((model) => model.installed).length;
    write(this.count, t("{shown} of {all} models, {here} installed", { shown: shown.length, all: all.length, here }));
  }

  group(kind, [name, about], models) {
    if (!this.parts.has(kind)) {
      const list = h("div", { class: "models" });
      const section = h("section", { class: "shelf-kind" }, h("header", {}, h("h3", {}, name), about && h("p", { class: "quiet" }, about)), list);
      this.groups.append(section);
      this.parts.set(kind, { section, list: new Keyed(list, (model) => card(this.studio, model)) });
    }
    const { section, list } = this.parts.get(kind);
    section.hidden = !models.length;
    const sorted = [...models].sort((a, b) => rank(b) - rank(a) || a.name.localeCompare(b.name));
    list.show(sorted.map((model) => [model.name, { ...model, work: this.jobs.find((job) => job.model === model.name), on: chosen(this.studio.config, model) }]), this.studio.session);
  }
}

const onHere = SHOWN.here;
const rank = (model) => (model.used_by.length ? 4 : model.installed ? 3 : model.part_bytes ? 2 : model.fetchable ? 1 : 0);

function failure(job) {
  return Object.assign(new Error(`${job.model}: ${job.error?.detail ?? job.state}`), { hint: job.error?.hint ?? "" });
}
