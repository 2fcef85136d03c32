// What can be done with a model: fetched, put to use, measured, verified, removed.

import { bytes, h } from "./dom.js";
import { look } from "./jobs_live.js";
import { t } from "./words.js";

const OFF = { "enhance.model": "", "expression.model": "", "mask.matte": "", "output.upscale": "", "swap.model": "mesh" };

const path = (model, rest = "") => `/api/models/${encodeURIComponent(model.name)}${rest}`;
const names = (model) => [model.name, ...model.aliases];
const nested = (key, value) => {
  const [section, name] = key.split(".");
  return { [section]: { [name]: value } };
};

export function value(config, key) {
  const [section, name] = key.split(".");
  return config?.[section]?.[name];
}

// Whether the chosen session is told to use it.
export function chosen(config, model) {
  const now = value(config, model.setting);
  if (model.kind === "parser" && !config?.mask?.regions?.length) return false;
  return [now].flat().some((one) => names(model).includes(one));
}

export const canStop = (model) => model.setting in OFF || model.setting === "mask.occlusion";

export function use(studio, model) {
  const now = value(studio.config, model.setting);
  const wanted = Array.isArray(now) ? [...now.filter((one) => one !== "auto"), model.name] : model.name;
  return studio.change(nested(model.setting, wanted)).then((came) => said(studio, came, t("{name} is in use", { name: model.name })));
}

export function stopUsing(studio, model) {
  const now = value(studio.config, model.setting);
  const rest = Array.isArray(now) ? now.filter((one) => !names(model).includes(one)) : OFF[model.setting];
  const wanted = Array.isArray(rest) && !rest.length ? ["auto"] : rest;
  return studio.change(nested(model.setting, wanted)).then((came) => said(studio, came, t("{name} is no longer used", { name: model.name })));
}

function said(studio, came, words) {
  if (came) studio.say(words, came.restarted ? t("The session began anew for it.") : "");
  return studio.refresh("models");
}

// Fetches a model and what it cannot do without; licences are accepted one by one, in plain words.
export async function pull(studio, model) {
  const all = studio.models.models;
  const wanted = [...model.needs.map((name) => all.find((one) => one.name === name)).filter(Boolean), model];
  for (const one of wanted.filter((each) => !each.installed && !each.job)) {
    if (one.needs_acceptance && !(await accepted(studio, one))) break;
    await studio.ask(path(one, "/pull"), { method: "POST", json: { accept_licence: one.needs_acceptance } });
  }
  await studio.refresh("models");
  return look();
}

function accepted(studio, model) {
  const body = [
    h("p", {}, t("Whoever made {name} allows it for non-commercial use only. You may try it and use it for yourself; you may not earn money with it, by a paid stream, by advertising or for a client.", { name: model.name })),
    h("p", {}, h("a", { href: model.licence_url, target: "_blank", rel: "noreferrer" }, t("Read the licence: {licence}", { licence: model.licence }))),
  ];
  return studio.dialog(t("For non-commercial use"), body, [
    { label: t("Cancel"), value: false, class: "ghost" },
    { label: t("I agree, download"), value: true, class: "main" },
  ]);
}

export async function measure(studio, model) {
  await studio.ask(path(model, "/measure"), { method: "POST" });
  await studio.refresh("models");
  return look();
}

export async function verify(studio, model) {
  const { status } = await studio.ask(path(model, "/verify"), { method: "POST" });
  const words = {
    verified: t("{name} is the file that its recipe states", { name: model.name }),
    unverified: t("{name} is the file that it was when it came; nobody has stated a hash", { name: model.name }),
    corrupt: t("{name} is damaged: fetch it again", { name: model.name }),
    missing: t("{name} is not here", { name: model.name }),
  };
  studio.say(words[status] ?? status);
  return studio.refresh("models");
}

export async function remove(studio, model) {
  const part = !model.installed;
  const sure = await studio.confirm({
    title: part ? t("Throw the unfinished download away?") : t("Remove {name}?", { name: model.name }),
    words: model.fetchable ? t("{size} are freed. It can be downloaded again.", { size: bytes(part ? model.part_bytes : model.bytes) }) : t("Nobody serves this file: keep a copy if you want to add it again."),
    yes: part ? t("Throw away") : t("Remove"),
    danger: true,
  });
  if (!sure) return;
  await studio.ask(path(model), { method: "DELETE" });
  studio.say(t("{name} is gone", { name: model.name }));
  await studio.refresh("models");
}

export async function cancel(studio, job) {
  await studio.ask(`/api/jobs/${job}`, { method: "DELETE" });
  return look();
}
