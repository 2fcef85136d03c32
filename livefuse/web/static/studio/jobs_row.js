// One job: how far it is, what holds it up, why it failed, and what came of it.

import { bytes, duration, h } from "./dom.js";
import { bar } from "./keyed.js";
import { number, t } from "./words.js";

const STATES = { queued: t("Waiting"), running: t("Running"), done: t("Done"), failed: t("Failed"), cancelled: t("Cancelled"), interrupted: t("Interrupted") };
const TONES = { done: "good", failed: "bad", interrupted: "warn" };
const STAGES = {
  source: t("reading the file"), sink: t("writing the file"), upload: t("preparing pictures"), detect: t("finding faces"), align: t("placing landmarks"),
  follow: t("following faces"), look: t("choosing faces"), swap: t("swapping"), composite: t("putting it together"), enhance: t("sharpening"), download: t("taking pictures back"),
};

const base = (path) => path.split(/[\\/]/).pop();
export const title = (job) => (job.kind === "file" ? base(job.input) : job.model);

// `act(name, job)` does what a button says; `place` is where a waiting job stands, and `last` where the last one does.
export function row(job, { act, thumb, place, last }) {
  const file = job.kind === "file";
  return h(
    "article",
    { class: "job", dataset: { state: job.state, kind: job.kind, job: job.id }, "aria-label": title(job), draggable: job.state === "queued" ? "true" : undefined },
    file && job.state === "done" && h("div", { class: "job-thumb" }, thumb(job)),
    h(
      "div",
      { class: "job-main" },
      h("header", {}, h("h4", { title: job.input }, title(job)), h("span", { class: `badge ${TONES[job.state] ?? ""}` }, job.state === "queued" && file ? t("Waiting, number {n}", { n: place + 1 }) : STATES[job.state])),
      h("p", { class: "quiet job-about", title: job.output }, about(job)),
      (job.state === "running" || job.state === "queued") && progress(job),
      job.error && h("p", { class: "fault" }, upper(job.error.detail), job.error.hint && h("span", { class: "quiet" }, t("Try: {hint}", { hint: job.error.hint }))),
      job.state === "interrupted" && h("p", { class: "quiet" }, t("The daemon ended while it ran. Nothing was written.")),
      job.notes.length > 0 && h("p", { class: "quiet" }, job.notes.join(". ")),
      actions(job, act, place, last),
    ),
  );
}

function about(job) {
  if (job.kind === "pull") return t("download");
  if (job.kind === "measure") return t("measurement of its speed");
  const face = job.config.identity?.photo;
  return [t("to {name}", { name: base(job.output) }), face && t("as {face}", { face })].filter(Boolean).join(" · ");
}

function progress(job) {
  if (job.state === "queued") return null;
  const now = job.progress;
  const [done, total] = job.kind === "pull" ? [now.bytes_done, now.bytes_total] : [now.frames, now.frames_total];
  const words = job.kind === "pull"
    ? [total ? t("{done} of {total}", { done: bytes(done), total: bytes(total) }) : bytes(done), now.bytes_per_s && t("{rate}/s", { rate: bytes(now.bytes_per_s) })]
    : job.kind === "file"
      ? [!done ? t("Getting ready") : total ? t("{done} of {total} frames", { done: number(done), total: number(total) }) : t("{done} frames", { done: number(done) }), done > 0 && now.fps > 0 && t("{fps} frames a second", { fps: number(now.fps, 1) })]
      : [];
  const left = now.eta_s === null ? null : t("{time} left", { time: duration(now.eta_s) });
  const slow = now.bottleneck && h("p", { class: "quiet" }, slowest(now));
  return h("div", { class: "job-progress" }, bar(done, total, title(job)), h("p", {}, [...words, left].filter(Boolean).join(" · ")), slow);
}

function slowest(now) {
  const stage = STAGES[now.bottleneck] ?? now.bottleneck;
  return now.bottleneck_ms ? t("Held up by {stage}: {ms} ms a frame", { stage, ms: number(now.bottleneck_ms, 1) }) : t("Held up by {stage}", { stage });
}

function actions(job, act, place, last) {
  const made = (name, label, kind = "ghost", disabled = false) => {
    const button = h("button", { type: "button", class: `small ${kind}`, dataset: { act: name }, disabled, "aria-label": `${label}: ${title(job)}` }, label);
    button.addEventListener("click", () => act(name, job, button));
    return button;
  };
  const ended = !["queued", "running"].includes(job.state);
  const file = job.kind === "file";
  return h(
    "div",
    { class: "row job-acts" },
    file && job.state === "done" && [made("watch", t("Watch"), ""), made("download", t("Download"), "")],
    ["failed", "cancelled", "interrupted"].includes(job.state) && made("retry", job.kind === "pull" ? t("Go on") : t("Try again"), ""),
    job.state === "queued" && last > 0 && [made("up", t("Earlier"), "ghost", place === 0), made("down", t("Later"), "ghost", place === last)],
    ended ? made("forget", t("Forget")) : made("cancel", t("Cancel")),
  );
}

const upper = (words) => words.charAt(0).toUpperCase() + words.slice(1);
