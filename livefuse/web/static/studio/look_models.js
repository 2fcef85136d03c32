// Choosing a model: those that can be used now, and behind them those that would have to be fetched first.

import { bytes, fill, h } from "./dom.js";
import { same } from "./schema.js";
import { t } from "./words.js";

let made = 0;

// `said.own` are choices that need no model; `said.list` says that the setting is a list of names.
export function modelChoice(said, act) {
  const name = `look-model-${++made}`;
  const rows = h("div", { class: "look-models", role: "radiogroup", "aria-labelledby": name });
  const count = h("span", { class: "quiet" });
  const absent = h("ul", { class: "list look-absent" });
  const more = h("details", { class: "look-more" }, h("summary", {}, count), absent);
  const element = h("div", { class: "look-item", dataset: { key: said.key }, title: said.description }, h("span", { id: name, class: "look-label" }, said.label), rows, more);
  let [models, now, shown] = [[], undefined, ""];

  const asked = (model) => (said.list ? [model.name] : model.name);
  const chosen = (model) => {
    const names = said.list ? (now ?? []) : [now];
    return names.some((one) => one === model.name || model.aliases.includes(one));
  };

  function draw() {
    const here = models.filter((one) => one.installed);
    const gone = models.filter((one) => !one.installed);
    const state = JSON.stringify([here.map((one) => [one.name, one.needs]), gone.map((one) => one.name), now]);
    if (state === shown) return;
    shown = state;
    const focused = rows.contains(document.activeElement) ? document.activeElement.value : undefined;
    const listed = [...said.own.map((one) => row(one.label, one.hint ?? "", same(one.value, now), () => act(one.value))), ...here.map(usable)];
    const lost = gone.filter(chosen).map((one) => row(one.name, t("Not on this machine"), true, () => {}));
    const known = said.own.some((one) => same(one.value, now)) || models.some(chosen);
    if (!known && now !== undefined && models.length) lost.push(row([now].flat().join(", "), "", true, () => {}));
    fill(rows, listed, lost);
    if (focused !== undefined) rows.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
    more.hidden = !gone.length;
    count.textContent = gone.length === 1 ? t("1 more can be fetched") : t("{n} more can be fetched", { n: gone.length });
    fill(absent, gone.map(missing));
  }

  function row(label, hint, on, pick, enabled = true) {
    const input = h("input", { type: "radio", name: `${name}-choice`, value: label, checked: on, disabled: !enabled, onchange: pick });
    return h("label", { class: "look-model" }, input, h("span", { class: "look-model-name" }, label), hint ? h("span", { class: "quiet" }, hint) : null);
  }

  function usable(model) {
    const lacks = (model.needs ?? []).map((one) => one.name ?? one).filter((one) => said.missing(one));
    const hint = lacks.length ? t("Needs {models} first", { models: lacks.join(", ") }) : model.non_commercial ? t("Not for commercial use") : "";
    return row(model.name, hint, chosen(model), () => act(asked(model)), !lacks.length || chosen(model));
  }

  function missing(model) {
    const label = model.bytes ? t("Get it ({size})", { size: bytes(model.bytes) }) : t("Get it");
    const get = h("button", { type: "button", class: "small", "aria-label": `${label}: ${model.name}`, onclick: () => (location.hash = "models") }, label);
    return h("li", { title: model.description }, h("span", { class: "look-model-name" }, model.name), model.fetchable ? get : h("span", { class: "quiet" }, t("Yours to add")));
  }

  return {
    element,
    set(value) {
      now = value;
      draw();
    },
    models(list) {
      models = list;
      draw();
    },
    enable() {},
    why() {},
  };
}
