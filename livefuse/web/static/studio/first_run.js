// After Start: models, session, picture, virtual camera, each told while it happens.

import { bytes, copyable, fill, h, sentence, write } from "./dom.js";
import { pageCamera } from "./page_camera.js";
import { t } from "./words.js";

const LOOK_MS = 250;
const RUNS_MS = 40000;
const SLOW_MS = 60000;

const after = (ms) => new Promise((done) => setTimeout(done, ms));

export function firstRun(studio, first, { source, face }, { back, live, done }) {
  const steps = {
    models: line(t("Models that find a face")),
    session: line(t("Picture")),
    camera: line(t("Virtual camera")),
  };
  const title = h("h2", { tabindex: "-1" }, t("Starting…"));
  const foot = h("div", { class: "first-foot" });
  const element = h("section", { class: "first card", "aria-label": t("First picture") }, h("header", { class: "first-head" }, title), h("ol", { class: "first-steps" }, Object.values(steps).map((one) => one.element)), foot);

  async function start() {
    fill(foot);
    title.focus();
    try {
      await step("models", () => models(studio, steps.models));
      await step("session", () => session(studio, source, face));
    } catch (error) {
      return failed(error);
    }
    live();
    write(title, t("You are live"));
    fill(foot, h("div", { class: "row" }, h("button", { type: "button", class: "main", onclick: done, autofocus: true }, t("Go on"))));
    foot.querySelector("button").focus();
    await camera(studio, steps.camera);
  }

  async function step(name, work) {
    steps[name].state("now");
    try {
      await work();
      steps[name].state("done");
    } catch (error) {
      steps[name].state("failed");
      throw error;
    }
  }

  function failed(error) {
    write(title, t("Not yet"));
    const words = h("p", { class: "fault", role: "alert" }, sentence(error.message), error.hint ? h("span", { class: "quiet" }, t("Try: {hint}", { hint: error.hint })) : null);
    const again = h("button", { type: "button", class: "main", onclick: start }, t("Try again"));
    fill(foot, words, h("div", { class: "row" }, h("button", { type: "button", class: "ghost", onclick: back }, t("Back")), again));
    again.focus();
  }

  return { element, start };
}

function line(title) {
  const words = h("span", { class: "first-words quiet" });
  const bar = h("progress", { max: 1, hidden: true, "aria-label": title });
  const element = h("li", { dataset: { state: "waiting" } }, h("span", { class: "first-mark", "aria-hidden": "true" }), h("div", {}, h("span", {}, title), words, bar));
  return {
    element, bar,
    state(state) {
      element.dataset.state = state;
      if (state !== "now") bar.hidden = true;
    },
    say: (text) => write(words, text),
    show(...children) {
      element.lastElementChild.querySelector(".first-more")?.remove();
      element.lastElementChild.append(h("div", { class: "first-more" }, children));
    },
  };
}

// --- models

async function models(studio, told) {
  const { models: needed } = await studio.ask("/api/first");
  const lacking = needed.filter((model) => !model.installed);
  const total = lacking.reduce((sum, model) => sum + (model.bytes ?? 0), 0);
  if (!lacking.length) return told.say(t("here already"));
  told.bar.hidden = false;
  let before = 0;
  for (const model of lacking) {
    await pulled(studio, model, (part) => {
      told.bar.value = total ? (before + part) / total : 0;
      told.say(t("{part} of {total}", { part: bytes(before + part), total: bytes(total) }));
    });
    before += model.bytes ?? 0;
  }
  told.say(t("{total} fetched", { total: bytes(total) }));
}

async function pulled(studio, model, progressed) {
  const path = `/api/models/${encodeURIComponent(model.name)}`;
  const job = await studio.ask(`${path}/pull`, { method: "POST", json: {} }).catch((error) => (error.status === 409 ? running(studio, model.name) : Promise.reject(error)));
  for (let now = job; now; now = await studio.ask(`/api/jobs/${now.id}`)) {
    progressed(now.progress.bytes_done ?? 0);
    if (now.state === "done") return;
    if (now.state === "failed") throw Object.assign(new Error(now.error?.detail ?? t("The models could not be fetched")), { hint: offline(now.error) });
    if (["cancelled", "interrupted"].includes(now.state)) throw new Error(t("The fetching was stopped"));
    await after(LOOK_MS);
  }
}

async function running(studio, name) {
  const { jobs } = await studio.ask("/api/jobs");
  return jobs.find((job) => job.model === name && ["queued", "running"].includes(job.state)) ?? null;
}

function offline(error) {
  return error?.hint || t("Is this machine online? What was fetched is kept, and goes on where it stopped.");
}

// --- session

async function session(studio, source, face) {
  const patient = () => ({ signal: AbortSignal.timeout(SLOW_MS) });
  const url = source === "browser" ? await pageCamera.publish(studio.session, {}) : source;
  await studio.ask(studio.path(), { method: "PATCH", json: { source: url, identity: face.identity }, ...patient() });
  await studio.ask(studio.path("/start"), { method: "POST", ...patient() });
  const ends = performance.now() + RUNS_MS;
  for (;;) {
    const { config, ...summary } = await studio.ask(studio.path());
    studio.tell("summary", summary);
    if (summary.state === "running") return studio.tell("config", config);
    if (summary.error) throw Object.assign(new Error(summary.error.message), { hint: summary.error.hint });
    if (performance.now() > ends) throw Object.assign(new Error(t("The picture does not come")), { hint: t("Try another camera, or the test picture.") });
    await after(LOOK_MS);
  }
}

// --- virtual camera: what fails here does not take the picture away

async function camera(studio, told) {
  told.state("now");
  const path = studio.path("/camera");
  try {
    let now = await studio.ask(path);
    if (now.state !== "missing") now = await studio.ask(path, { method: "PUT", json: {}, signal: AbortSignal.timeout(SLOW_MS) });
    if (now.state === "missing") return lacking(told, now.error, now.fix);
    told.state("done");
    told.say(t("Choose “{name}” as the camera in your call.", { name: now.label }));
  } catch (error) {
    lacking(told, error.message, error.hint);
  } finally {
    studio.refresh("sinks");
  }
}

function lacking(told, words, fix) {
  told.state("missing");
  told.say(sentence(words));
  if (fix) told.show(h("p", { class: "quiet" }, t("What it needs first:")), copyable(fix, t("The command")));
}
