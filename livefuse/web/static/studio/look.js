// The Look panel: whatever one wants to turn while live. Every turn acts at once.

import { allSettings } from "./all_settings.js";
import { segments, select, several, slider, toggle } from "./controls.js";
import { h, icon, write } from "./dom.js";
import { groups } from "./look_groups.js";
import { modelChoice } from "./look_models.js";
import { settings, valueAt } from "./schema.js";
import { Sender } from "./sender.js";
import { number, t } from "./words.js";

const UNDO = "M9 14 4.5 9.5 9 5M4.5 9.5H14a5.5 5.5 0 0 1 0 11h-3";
const SEARCH = "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM20 20l-4.8-4.8";

export async function mount(host, studio) {
  const known = await settings();
  const sender = new Sender(async (values) => {
    const answer = await studio.change(values);
    if (answer?.restarted) studio.say(t("The session began anew for this; viewers stayed."));
  });
  const parts = groups().map((group) => drawn(group, known, studio, sender));
  const every = everySetting(studio, sender);
  const none = h("p", { class: "quiet", hidden: true, role: "status" }, t("No setting is called that."));
  host.append(tools(studio, (words) => find(parts, every, none, words)), none, ...parts.map((one) => one.element), every.element);
  studio.on("config", (config) => config && showAll(parts, every, config));
  studio.on("models", () => studio.config && showAll(parts, every, studio.config));
  studio.on("stats", (stats) => parts.forEach((part) => part.measure(stats)));
}

function tools(studio, search) {
  const field = h("input", { type: "search", placeholder: t("Find a setting"), "aria-label": t("Find a setting"), oninput: () => search(field.value.trim().toLowerCase()) });
  const undo = studio.undo && h("button", { type: "button", class: "ghost small look-undo", title: t("Undo the last change"), "aria-label": t("Undo the last change"), onclick: () => studio.busy(undo, studio.undo()) }, icon(UNDO));
  return h("div", { class: "look-tools" }, h("div", { class: "look-search" }, icon(SEARCH), field), undo);
}

function drawn(group, known, studio, sender) {
  const note = h("span", { class: "look-note" });
  const items = group.items.map((item) => one(item, known, studio, sender));
  const element = h(
    "details",
    { class: "look-group", dataset: { group: group.id }, open: group.open },
    h("summary", {}, h("h3", {}, group.title), note),
    h("div", { class: "look-items" }, items.map((each) => each.element)),
  );
  let [held, cost] = ["", ""];
  const say = () => write(note, [held, cost].filter(Boolean).join(" · "));
  return {
    element,
    items,
    show(config) {
      for (const each of items) each.show(config);
      held = summary(group, config);
      element.classList.toggle("warns", group.id === "privacy" && config.privacy.mode === "open");
      say();
    },
    measure(stats) {
      const taken = stats?.stages_ms?.[group.stage]?.p50;
      cost = taken >= 0.05 ? t("{n} ms", { n: number(taken, 1) }) : "";
      for (const each of items) each.measure?.(stats);
      say();
    },
  };
}

// What a closed group says of itself.
function summary(group, config) {
  const words = {
    swap: () => config.swap.model,
    enhance: () => config.enhance.model || t("Off"),
    expression: () => config.expression.model || t("Off"),
    privacy: () => (config.privacy.mode === "closed" ? t("Closed") : t("Open: real faces can be seen")),
    quality: () => (config.adaptive.enabled ? t("Adapts") : t("Fixed")),
    overlay: () => (config.overlay.badge ? "" : t("No badge")),
  };
  return words[group.id]?.() ?? "";
}

function one(item, known, studio, sender) {
  const said = { ...known.get(item.key), ...item, standard: known.get(item.key)?.default };
  said.missing = (name) => studio.models?.models?.find((model) => model.name === name || model.aliases.includes(name))?.installed === false;
  const act = item.risky ? risky(item, studio, sender) : (value) => sender.set(item.key, value);
  const control = built(said, act);
  const lowered = item.lowered && h("p", { class: "look-lowered quiet", hidden: true, role: "status" });
  if (lowered) control.element.append(lowered);
  return {
    element: control.element,
    key: item.key,
    words: `${item.label} ${item.key} ${said.description}`.toLowerCase(),
    show(config) {
      const models = studio.models?.models ?? [];
      if (item.models) control.models?.(models.filter((model) => model.kind === item.models && (!item.only || item.only.test(model.name))));
      const value = valueAt(config, item.key);
      if (!sender.pending(item.key)) control.set(value);
      if (item.cannot) control.enable(!item.cannot(config), item.cannot(config) || "");
      control.element.hidden = !!item.when && !item.when(config);
      if (item.risky) control.element.classList.toggle("risk", value === item.risky);
    },
    measure: lowered && ((stats) => {
      const now = stats?.adaptive?.lowered ?? [];
      lowered.hidden = !now.length;
      write(lowered, now.length ? t("Lowered now: {what}", { what: now.join(", ") }) : "");
    }),
  };
}

function built(said, act) {
  if (said.models) return modelChoice(said, act);
  const options = said.values ? said.values.map(([value, label]) => ({ value, label })) : Object.entries(said.options ?? {}).map(([value, label]) => ({ value, label }));
  if (said.kind === "several") return several(said, options.filter((one) => said.choices.includes(one.value)), act);
  if (said.as === "select") return select(said, options, act);
  if (options.length) return segments(said, options, act);
  if (said.kind === "switch") return toggle(said, act);
  return slider({ ...said, maximum: said.maximum ?? said.most }, act);
}

// What shows a real face is asked for in words first; the way back never is.
function risky(item, studio, sender) {
  return async (value) => {
    const agreed = value !== item.risky || (await studio.confirm({
      title: t("Show real faces?"),
      words: t("Whenever a face cannot be swapped, because it is turned away, too fast or newly in the picture, everybody who watches sees it as it is. Closed privacy covers it instead."),
      yes: t("Show real faces"),
      no: t("Keep them covered"),
      danger: true,
    }));
    if (!agreed) studio.tell("config", studio.config);
    else if (value === item.risky) sender.set(item.key, value);
    else await sender.setNow([...WHOLE, [item.key, value]]);
  };
}

// Closed privacy rules out that parts of a real face are left in the picture on purpose. What holds now is not asked: this page
// may not have been told yet.
const WHOLE = [["mask.areas", []], ["mask.regions", []]];

function everySetting(studio, sender) {
  const body = h("div", { class: "all-settings" });
  const element = h("details", { class: "look-group look-all" }, h("summary", {}, h("h3", {}, t("All settings"))), body);
  let [all, words, besides] = [null, "", new Set()];
  const drawn = async () => {
    all ??= allSettings(body, (key, value) => sender.set(key, value), (key) => sender.pending(key));
    const { show, find } = await all;
    if (studio.config) show(studio.config);
    return find(words, besides);
  };
  element.addEventListener("toggle", () => element.open && drawn());
  return {
    element,
    show: (config) => all?.then((one) => one.show(config)),
    async find(asked, above) {
      [words, besides] = [asked, above];
      const found = asked || all ? await drawn() : 0;
      element.hidden = !!asked && !found;
      element.open = !!asked && found > 0;
      return found;
    },
  };
}

function showAll(parts, every, config) {
  for (const part of parts) part.show(config);
  every.show(config);
}

async function find(parts, every, none, words) {
  const found = new Set();
  for (const part of parts) {
    const hits = part.items.filter((item) => item.words.includes(words));
    for (const item of part.items) item.element.classList.toggle("unfound", !!words && !hits.includes(item));
    part.element.hidden = !!words && !hits.length;
    part.before = words ? (part.before ?? part.element.open) : part.before;
    part.element.open = words ? hits.length > 0 : (part.before ?? part.element.open);
    if (!words) delete part.before;
    for (const item of hits) if (words) found.add(item.key);
  }
  const more = await every.find(words, found);
  none.hidden = !words || found.size + more > 0;
}
