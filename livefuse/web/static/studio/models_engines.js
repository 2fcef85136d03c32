// What the running sessions have loaded: on which provider, how large, how long it took.

import { bytes, fill, h } from "./dom.js";
import { kindName } from "./models_words.js";
import { number, t } from "./words.js";

export function enginesPart(studio) {
  const summary = h("span", { class: "panel-note" });
  const body = h("div", { class: "panel-body" });
  const part = h("details", { class: "panel engines" }, h("summary", {}, h("h3", {}, t("Engines")), summary), body);
  const show = async () => {
    try {
      const told = await studio.ask("/api/engines");
      const count = told.sessions.reduce((sum, one) => sum + one.networks.length, 0);
      summary.textContent = t("{n} networks loaded · {runtime} · {memory} of memory", { n: count, runtime: told.runtime, memory: bytes(told.rss_bytes) });
      fill(body, told.sessions.map(table), told.sessions.length ? null : h("p", { class: "quiet" }, t("No session runs.")), providers(told));
    } catch (error) {
      summary.textContent = error.message;
    }
  };
  part.addEventListener("toggle", () => part.open && show());
  return { part, show };
}

function table(session) {
  const head = [t("Network"), t("For"), t("Runs on"), t("Precision"), t("Weights"), t("Loaded in")];
  const rows = session.networks.map((one) => [
    one.model, kindName(one.kind), placed(one), one.precision || "–", bytes(one.bytes), t("{ms} ms", { ms: number(one.load_ms) }),
  ]);
  if (!rows.length) return h("p", { class: "quiet" }, t("{session}: no network is loaded", { session: session.session }));
  return h(
    "div",
    { class: "engines-table", role: "region", tabindex: "0", "aria-label": t("Engines") },
    h("table", {}, h("caption", {}, session.session), h("thead", {}, h("tr", {}, head.map((word) => h("th", { scope: "col" }, word)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, index) => h("td", { "data-head": head[index] }, cell)))))),
  );
}

function placed(one) {
  const total = Object.values(one.placement).reduce((sum, n) => sum + n, 0);
  if (!one.provider) return "–";
  const nodes = one.placement[one.provider];
  return nodes === total ? one.provider : t("{provider} ({nodes} of {total} nodes)", { provider: one.provider, nodes, total });
}

function providers(told) {
  return h("p", { class: "quiet" }, t("Installed here: {providers}. A session takes the ones in its `runtime.providers`, preferred first.", { providers: told.providers.join(", ") }));
}
