// What the daemon says of its own settings: their kinds, ranges, defaults and descriptions, so that no page repeats them.

import { ask } from "./api.js";

let asked;

// Every key of a session as `section.name`, in the order of the configuration.
export function settings() {
  asked ??= ask("/api/config/schema").then(read);
  asked.catch(() => (asked = undefined));
  return asked;
}

function read(schema) {
  const defs = schema.$defs ?? {};
  const all = new Map();
  const target = (ref) => defs[ref?.split("/").pop()];
  for (const [name, said] of Object.entries(defs.Config?.properties ?? {})) {
    const section = target(said.$ref ?? said.allOf?.[0]?.$ref);
    if (!section) all.set(name, setting(name, said));
    for (const [inner, below] of Object.entries(section?.properties ?? {})) {
      all.set(`${name}.${inner}`, { ...setting(`${name}.${inner}`, below), section: section.description ?? "" });
    }
  }
  return all;
}

function setting(key, said) {
  const forms = said.anyOf ?? [said];
  const form = forms.find((one) => one.type !== "null") ?? said;
  return {
    key,
    kind: kindOf(form),
    whole: form.type === "integer",
    minimum: form.minimum ?? form.exclusiveMinimum,
    maximum: form.maximum ?? form.exclusiveMaximum,
    choices: form.enum ?? form.items?.enum ?? (form.const === undefined ? undefined : [form.const]),
    nullable: forms.some((one) => one.type === "null"),
    default: said.default,
    description: said.description ?? "",
  };
}

function kindOf(form) {
  if (form.enum) return "choice";
  if (form.type === "array") return form.items?.enum ? "several" : form.items?.type === "string" ? "words" : "json";
  return { boolean: "switch", integer: "number", number: "number", string: "text" }[form.type] ?? "json";
}

export function valueAt(config, key) {
  return key.split(".").reduce((value, part) => value?.[part], config ?? undefined);
}

// {"swap.seam": 0.5} -> {swap: {seam: 0.5}}
export function nested(values) {
  const tree = {};
  for (const [key, value] of values) {
    const [section, name] = key.split(".");
    if (name === undefined) tree[section] = value;
    else tree[section] = { ...tree[section], [name]: value };
  }
  return tree;
}

export const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
