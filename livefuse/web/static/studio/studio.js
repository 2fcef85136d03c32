// The studio: one page to run livefuse by. This is what its panels share; each panel is a module of its own.

import { keep, token } from "../token.js";
import { ask, follow } from "./api.js";
import { confirm, dialog, fault, note } from "./dialog.js";
import { h, write } from "./dom.js";
import { key, showKeys } from "./keys.js";
import { openSettings, theme } from "./settings.js";
import { mountInto, startViews } from "./views.js";
import { t, translate } from "./words.js";

const at = (id) => document.getElementById(id);
const LISTS = { identities: "/api/identities", models: "/api/models" };
const PANELS = ["source", "faces", "look", "camera", "outputs"];
const AFTER_CHANGE_MS = 60;

const listeners = new Map();

const studio = {
  session: "",
  summary: null, config: null, stats: null, sinks: null, identities: null, models: null,
  stream: null, whep: null,
  key, confirm, dialog, ask,
  say: note,
  fail: fault,

  path: (rest = "") => `/api/sessions/${encodeURIComponent(studio.session)}${rest}`,

  on(kind, act) {
    if (!listeners.has(kind)) listeners.set(kind, new Set());
    listeners.get(kind).add(act);
    const known = studio[kind];
    if (known !== null && known !== undefined && known !== "") act(known);
    return () => listeners.get(kind).delete(act);
  },

  tell(kind, value) {
    if (kind in studio) studio[kind] = value;
    for (const act of listeners.get(kind) ?? []) {
      try {
        act(value);
      } catch (error) {
        console.error(error); // one panel's fault is not the others'
      }
    }
  },

  async change(overrides) {
    try {
      const answer = await ask(studio.path(), { method: "PATCH", json: overrides });
      studio.refresh("config");
      return answer;
    } catch (error) {
      fault(error);
      studio.refresh("config"); // controls go back to what holds
      return null;
    }
  },

  async undo() {
    try {
      await ask(studio.path("/undo"), { method: "POST" });
      note(t("Undone"));
    } catch (error) {
      fault(error);
    }
    return studio.refresh("config");
  },

  async refresh(kind) {
    const session = studio.session;
    const turn = ++turns;
    const told = await fetchKind(kind).catch((error) => (error.needsToken ? wantToken(error) : null));
    if (!told || session !== studio.session) return;
    for (const [name, value] of Object.entries(told)) {
      if (turn < (answered.get(name) ?? 0)) continue; // answers may overtake each other: the one asked for last holds
      answered.set(name, turn);
      studio.tell(name, value);
    }
  },

  async busy(button, promise) {
    const focused = document.activeElement === button;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      return await promise;
    } catch (error) {
      fault(error);
      return null;
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
      if (focused && document.activeElement === document.body) button.focus(); // who is disabled loses it
    }
  },

  choose(name) {
    if (name === studio.session) return;
    Object.assign(studio, { summary: null, config: null, stats: null, sinks: null });
    const address = new URL(location.href);
    address.searchParams.set("session", name);
    history.replaceState(history.state, "", address);
    studio.tell("session", name);
    refreshAll();
  },
};
globalThis.studio = studio; // for the console

let turns = 0;
const answered = new Map(); // by name, which of `refresh`'s turns was told last

async function fetchKind(kind) {
  if (kind in LISTS) return { [kind]: await ask(LISTS[kind]) };
  if (kind === "sinks") return { sinks: (await ask(studio.path("/sinks"))).sinks };
  if (kind === "stats") return { stats: await ask(studio.path("/stats")) };
  const { config, ...summary } = await ask(studio.path());
  return config ? { summary, config } : { summary }; // who has no token yet is told the summary alone
}

function refreshAll() {
  for (const kind of ["config", "sinks", "identities", "models"]) studio.refresh(kind);
}

// --- sessions and their events -------------------------------------------------------------------------------------

async function listSessions() {
  const { sessions } = await ask("/api/sessions");
  const names = sessions.map((session) => session.name);
  const select = at("session");
  if ([...select.options].map((option) => option.value).join() !== names.join()) {
    select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  }
  at("session-field").hidden = names.length < 2;
  at("nothing").hidden = names.length > 0;
  if (!names.includes(studio.session)) {
    const wanted = new URLSearchParams(location.search).get("session");
    const first = names.includes(wanted) ? wanted : names.includes("live") ? "live" : names[0];
    if (first) studio.choose(first);
  }
  select.value = studio.session;
}

let later = 0;
function afterChange(kinds) {
  clearTimeout(later);
  later = setTimeout(() => kinds.forEach((kind) => studio.refresh(kind)), AFTER_CHANGE_MS);
}

function heard({ kind, value }) {
  if (kind === "pair") return studio.tell("pair", value);
  if (kind === "gone") return listSessions().catch(fault);
  if (kind === "state" && ![...at("session").options].some((option) => option.value === value.session)) listSessions().catch(fault);
  if (value.session !== studio.session) return;
  if (kind === "stats") studio.tell("stats", value.stats);
  if (kind === "state") {
    studio.tell("summary", { ...studio.summary, ...value });
    afterChange(["config", "sinks"]);
  }
  if (kind === "config") afterChange(["config", "sinks"]);
}

let connected = false;
function online() {
  if (connected) return;
  connected = true;
  at("away").hidden = true;
  at("token-card").hidden = true;
  document.documentElement.dataset.daemon = "here";
  studio.tell("online", true);
  listSessions().then(refreshAll).catch(fault);
}

function offline(error) {
  connected = false;
  document.documentElement.dataset.daemon = "away";
  at("away").hidden = false;
  at("state").dataset.state = "starting";
  write(at("state-words"), t("Interrupted"));
  write(at("away-words"), t("The daemon does not answer. This page comes back by itself."));
  studio.tell("offline", error);
}

// --- the token -----------------------------------------------------------------------------------------------------

let given = () => {};
function wantToken(error) {
  connected = false;
  const asked = at("token-card").hidden;
  at("token-card").hidden = false;
  at("away").hidden = true;
  write(at("token-words"), token() ? error.message : "");
  if (asked) at("token").focus();
  return null;
}

at("token-card").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(at("token").value);
  at("token").value = "";
  given();
});

async function refused(error) {
  wantToken(error);
  await new Promise((done) => (given = done));
}

// --- the shell -----------------------------------------------------------------------------------------------------

function showSummary(summary) {
  const state = summary.hold ? summary.hold : summary.idle && summary.state === "running" ? "idle" : summary.state;
  const words = {
    stopped: t("Stopped"), starting: t("Starting"), running: t("Running"), ended: t("Ended"), failed: t("Failed"),
    pause: t("Paused"), panic: t("Private"), idle: t("Resting: nobody watches"),
  };
  at("state").dataset.state = state;
  write(at("state-words"), words[state] ?? state);
  document.body.dataset.hold = summary.hold ?? "";
}

function openPanels() {
  const wide = matchMedia("(min-width: 900px)").matches;
  for (const details of document.querySelectorAll("details.panel")) {
    if (wide || details.dataset.panel === "faces") details.open = details.dataset.panel !== "look" || wide;
  }
}

async function begin() {
  theme();
  translate(document);
  document.documentElement.dataset.ready = "shell";
  at("session").addEventListener("change", () => studio.choose(at("session").value));
  at("keys").addEventListener("click", showKeys);
  at("settings").addEventListener("click", () => openSettings(studio));
  studio.on("summary", showSummary);
  key("ctrl+z", t("Undo the last change"), studio.undo);
  openPanels();
  follow("/api/events?interval=1", { heard, online, offline, refused });
  startViews(studio);
  const asked = import("./first.js").then(({ startFirst }) => startFirst(studio));
  import("./presets_keys.js").then(({ bindPresets }) => studio.on("session", () => bindPresets(studio)));
  await Promise.all([
    mountInto(at("stage"), "./stage.js", studio),
    mountInto(at("numbers"), "./numbers.js", studio),
    mountInto(at("graph"), "./graph.js", studio),
    ...PANELS.map((name) => mountInto(document.querySelector(`[data-panel=${name}] .panel-body`), `./${name}.js`, studio)),
  ]);
  const { watchPairing } = await import("./pair.js");
  watchPairing(studio);
  await asked;
  document.documentElement.dataset.ready = "all";
}

begin();
