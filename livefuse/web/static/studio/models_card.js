// One model on the shelf.

import { bytes, copyable, duration, h } from "./dom.js";
import { bar } from "./keyed.js";
import * as acts from "./models_acts.js";
import { kindName, licenceName, saysSo } from "./models_words.js";
import { number, t, when } from "./words.js";

const FRAME_MS = 1000 / 30; // what a live picture has, for everything together

// `model` with `work`: the job that is about it, and `on`: whether the chosen session is told to use it.
export function card(studio, model) {
  const state = stateOf(model);
  return h(
    "article",
    { class: "model", dataset: { state: state.name, model: model.name }, "aria-label": model.name },
    h("header", {}, h("h4", {}, model.name), state.words && h("span", { class: `badge ${state.tone}` }, state.words)),
    h("p", { class: "model-what" }, model.description),
    facts(model),
    model.work ? progress(studio, model) : speed(model),
    model.fetchable || model.installed ? buttons(studio, model) : addOwn(model),
  );
}

function stateOf(model) {
  if (model.work?.kind === "pull") return { name: "pulling", tone: "", words: model.work.state === "queued" ? t("Waiting") : t("Downloading") };
  if (model.used_by.length) return { name: "used", tone: "good", words: t("In use: {sessions}", { sessions: model.used_by.join(", ") }) };
  if (model.status === "corrupt") return { name: "corrupt", tone: "bad", words: t("Damaged") };
  if (model.installed) return { name: "here", tone: "good", words: t("Installed") };
  if (model.part_bytes) return { name: "part", tone: "warn", words: t("Unfinished") };
  return model.fetchable ? { name: "away", tone: "", words: "" } : { name: "own", tone: "", words: t("Add your own") };
}

function facts(model) {
  const licence = h("a", { href: model.licence_url, target: "_blank", rel: "noreferrer", class: "model-licence" }, licenceName(model));
  return h(
    "p",
    { class: "model-facts" },
    (model.installed || model.part_bytes > 0) && h("span", {}, kindName(model.kind)),
    h("span", {}, model.bytes ? bytes(model.bytes) : t("size unknown")),
    licence,
    saysSo(model) && h("span", { class: "badge warn", title: t("You may not earn money with it") }, t("non-commercial")),
    model.needs.length > 0 && h("span", { title: t("Fetched along with it") }, t("with {names}", { names: model.needs.join(", ") })),
  );
}

function speed(model) {
  const [best] = model.speeds;
  if (!best) return null;
  const tone = best.median_ms < FRAME_MS / 2 ? "good" : best.median_ms < FRAME_MS ? "warn" : "bad";
  const figure = number(best.median_ms, best.median_ms < 10 ? 1 : 0);
  const about = [best.provider.toUpperCase(), best.machine, when(best.when), best.weights === "real" ? "" : t("by a stand-in of the same build")];
  return h(
    "div",
    { class: "model-speed", title: t("{runs} runs with {runtime}; 95 of 100 under {p95} ms; loaded in {load} ms", { runs: best.runs, runtime: best.runtime, p95: number(best.p95_ms, 1), load: number(best.load_ms) }) },
    h("span", { class: `model-ms ${tone}` }, t("{ms} ms", { ms: figure })),
    h("span", { class: "quiet" }, about.filter(Boolean).join(" · ")),
  );
}

function progress(studio, model) {
  const { work } = model;
  const { bytes_done: done, bytes_total: total, bytes_per_s: rate, eta_s: left } = work.progress;
  const cancel = h("button", { type: "button", class: "small ghost", dataset: { act: "cancel" }, "aria-label": t("Cancel: {what}", { what: model.name }) }, t("Cancel"));
  cancel.addEventListener("click", () => studio.busy(cancel, acts.cancel(studio, work.id)));
  const words = work.kind === "measure" ? [work.state === "queued" ? t("Waits to be measured") : t("Being measured")] : [
    total ? t("{done} of {total}", { done: bytes(done), total: bytes(total) }) : bytes(done),
    rate && t("{rate}/s", { rate: bytes(rate) }),
    left !== null && t("{time} left", { time: duration(left) }),
  ];
  return h("div", { class: "model-work" }, bar(done, total, model.name), h("div", { class: "row" }, h("span", { class: "quiet grow" }, words.filter(Boolean).join(" · ")), cancel));
}

function buttons(studio, model) {
  const made = (act, label, run, kind = "ghost") => {
    const button = h("button", { type: "button", class: `small ${kind}`, dataset: { act }, "aria-label": `${label}: ${model.name}` }, label);
    button.addEventListener("click", () => studio.busy(button, run(studio, model)));
    return button;
  };
  const pulling = model.work?.kind === "pull";
  const usable = model.installed && model.setting && studio.session;
  const share = model.bytes ? ` (${Math.floor((100 * model.part_bytes) / model.bytes)} %)` : "";
  return h(
    "div",
    { class: "row model-acts" },
    usable && !model.on && made("use", t("Use"), acts.use, "main"),
    usable && model.on && acts.canStop(model) && made("use", t("Stop using"), acts.stopUsing, ""),
    !model.installed && !pulling && made("pull", model.part_bytes ? `${t("Resume")}${share}` : t("Download"), acts.pull, model.part_bytes ? "main" : ""),
    !model.work && made("measure", model.speeds.length ? t("Measure again") : t("Measure speed"), acts.measure),
    model.installed && made("verify", t("Verify"), acts.verify),
    (model.installed || model.part_bytes > 0) && !pulling && !model.used_by.length && made("remove", model.installed ? t("Remove") : t("Discard"), acts.remove),
  );
}

function addOwn(model) {
  const command = `livefuse models add FILE --family ${model.name}`;
  return h("div", { class: "model-own" }, h("p", { class: "quiet" }, t("Nobody serves it. If you have the file:")), copyable(command, model.name));
}
