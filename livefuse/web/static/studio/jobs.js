// Jobs: files swapped beside the live pictures, models that are fetched and measured; in the order in which they run.

import { h, write } from "./dom.js";
import { JobForm } from "./jobs_form.js";
import { busy, look, watchJobs } from "./jobs_live.js";
import { download, thumb, watch } from "./jobs_result.js";
import { row, title } from "./jobs_row.js";
import { Keyed } from "./keyed.js";
import { styled } from "./styled.js";
import { t } from "./words.js";

const ORDER = ["running", "queued"];

export function mount(host, studio) {
  styled("jobs");
  styled("models"); // its meter
  host.classList.add("jobs-view");
  const view = new View(studio);
  host.append(view.form.element, h("div", { class: "jobs-lists" }, view.files, view.models));
  watchJobs(host, (jobs) => view.show(jobs));
}

class View {
  constructor(studio) {
    this.studio = studio;
    this.form = new JobForm(studio);
    this.jobs = [];
    this.thumb = thumb(studio);
    this.clear = h("button", { type: "button", class: "small ghost", onclick: () => studio.busy(this.clear, this.forgetEnded()) }, t("Forget what has ended"));
    this.said = h("p", { class: "quiet grow", role: "status" });
    this.empty = h("p", { class: "empty" }, t("Nothing is queued. Choose a picture or a video, and a face."));
    const make = (item) => row(item.job, { act: (name, job, button) => this.act(name, job, button), thumb: this.thumb, place: item.place, last: item.last });
    const part = (heading, extra) => {
      const list = h("div", { class: "list" });
      return [h("section", { class: "jobs-part" }, h("header", { class: "row" }, h("h3", {}, heading), extra), list), new Keyed(list, make)];
    };
    [this.files, this.fileList] = part(t("Files"), [this.said, this.clear]);
    [this.models, this.modelList] = part(t("Models"), null);
    this.files.append(this.empty);
    this.takesDrags(this.files);
  }

  show(jobs) {
    this.jobs = jobs;
    const files = jobs.filter((job) => job.kind === "file");
    const models = jobs.filter((job) => job.kind !== "file");
    this.fileList.show(this.items(files));
    this.modelList.show(this.items(models));
    this.empty.hidden = files.length > 0;
    this.models.hidden = !models.length;
    this.clear.hidden = !jobs.some((job) => !busy(job));
    const waiting = files.filter((job) => job.state === "queued").length;
    write(this.said, files.some((job) => job.state === "running") ? t("1 runs, {n} wait", { n: waiting }) : waiting ? t("{n} wait", { n: waiting }) : "");
  }

  // What runs and waits in its order, then what has ended, the newest first.
  items(jobs) {
    const ended = jobs.filter((job) => !busy(job)).sort((a, b) => b.ended.localeCompare(a.ended));
    const going = ORDER.flatMap((state) => jobs.filter((job) => job.state === state));
    return [...going, ...ended].map((job) => {
      const waiting = jobs.filter((other) => other.state === "queued" && other.kind === job.kind);
      return [job.id, { job, place: waiting.indexOf(job), last: waiting.length - 1 }];
    });
  }

  act(name, job, button) {
    const at = `/api/jobs/${job.id}`;
    const ask = (path, options) => this.studio.ask(path, options);
    const acts = {
      cancel: () => ask(at, { method: "DELETE" }),
      forget: () => ask(at, { method: "DELETE" }),
      retry: () => ask(`${at}/retry`, { method: "POST" }),
      up: () => this.move(job, -1),
      down: () => this.move(job, 1),
      download: () => download(this.studio, job),
      watch: () => watch(this.studio, job),
    };
    return this.studio.busy(button, acts[name]().then(look));
  }

  waiting(job) {
    return this.jobs.filter((other) => other.state === "queued" && other.kind === job.kind);
  }

  async move(job, by) {
    await this.place(job, this.waiting(job).findIndex((other) => other.id === job.id) + by);
  }

  async place(job, place) {
    await this.studio.ask(`/api/jobs/${job.id}/move`, { method: "POST", json: { place: Math.max(0, place) } });
    this.studio.say(t("{name} is number {n} now", { name: title(job), n: Math.max(0, place) + 1 }));
  }

  takesDrags(element) {
    let dragged = null;
    const rowOf = (target) => target.closest?.('.job[data-state="queued"]');
    element.addEventListener("dragstart", (event) => {
      dragged = this.jobs.find((job) => job.id === rowOf(event.target)?.dataset.job) ?? null;
      event.dataTransfer.effectAllowed = "move";
    });
    element.addEventListener("dragover", (event) => {
      if (dragged && rowOf(event.target)) event.preventDefault();
    });
    element.addEventListener("drop", (event) => {
      const onto = rowOf(event.target);
      if (!dragged || !onto) return;
      event.preventDefault();
      const place = this.waiting(dragged).findIndex((job) => job.id === onto.dataset.job);
      this.place(dragged, place).then(look).catch(this.studio.fail);
      dragged = null;
    });
    element.addEventListener("dragend", () => (dragged = null));
  }

  async forgetEnded() {
    for (const job of this.jobs.filter((one) => !busy(one))) await this.studio.ask(`/api/jobs/${job.id}`, { method: "DELETE" });
    await look();
  }
}
