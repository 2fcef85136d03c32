// Every setting of a session as the daemon describes it: nothing is out of reach. Drawn when it is first opened.

import { fill, h } from "./dom.js";
import { same, settings, valueAt } from "./schema.js";
import { t } from "./words.js";

const HIDDEN = new Set(["privacy.mode"]); // closing and opening have words and a question of their own, above

// Draws into `host`; a key that is `pending` keeps what was asked for. `show` takes each configuration that holds, `find` leaves what has these words, and is not shown `besides`, and says how much.
export async function allSettings(host, change, pending) {
  const known = [...(await settings()).values()].filter((one) => !HIDDEN.has(one.key));
  const fields = new Map(known.map((one) => [one.key, field(one, change)]));
  const sections = [...grouped(known)].map(([name, list]) => {
    const inner = list.map((one) => fields.get(one.key));
    return { inner, element: h("details", { class: "all-section" }, h("summary", {}, h("h4", {}, name)), inner.map((one) => one.element)) };
  });
  fill(host, sections.map((one) => one.element));
  return {
    show(config) {
      for (const [key, one] of fields) if (!pending(key)) one.set(valueAt(config, key));
    },
    find(words, besides = new Set()) {
      const hit = (one) => one.words.includes(words) && !(words && besides.has(one.key));
      for (const { inner, element } of sections) {
        const hits = inner.filter((one) => (one.element.hidden = !hit(one)) === false).length;
        element.hidden = !hits;
        element.open = !!words && hits > 0;
      }
      return sections.reduce((sum, one) => sum + one.inner.filter((each) => !each.element.hidden).length, 0);
    },
  };
}

const head = (one) => (one.key.includes(".") ? one.key.split(".")[0] : t("Session"));

function grouped(list) {
  const all = new Map();
  for (const one of list) all.set(head(one), [...(all.get(head(one)) ?? []), one]);
  return all;
}

function field(said, change) {
  const input = inputOf(said);
  const id = `all-${said.key}`;
  input.setAttribute("aria-label", said.key);
  input.setAttribute("aria-describedby", id);
  let held;
  let settled; // what stands there when nobody is typing
  const name = said.key.split(".").pop();
  const element = h("label", { class: "all-setting", dataset: { key: said.key } }, h("span", { class: "all-name" }, h("code", {}, name), h("span", { class: "quiet", id }, said.description)), input);
  const put = (value) => {
    if (input.type === "checkbox") input.checked = value === true;
    else input.value = written(said, value);
    settled = input.value;
    element.classList.toggle("changed", !same(value, said.default));
  };
  input.addEventListener("change", () => {
    const value = read(said, input);
    if (value instanceof Error) {
      input.setCustomValidity(t("This is not what the setting takes"));
      input.reportValidity();
      input.setCustomValidity("");
      return put(held);
    }
    settled = input.value;
    if (!same(value, held)) change(said.key, value);
  });
  return {
    element,
    key: said.key,
    words: `${said.key} ${said.description}`.toLowerCase(),
    set(value) {
      held = value;
      if (document.activeElement !== input || input.value === settled || input.type === "checkbox") put(value);
    },
  };
}

function inputOf(said) {
  const [min, max] = [said.minimum, said.maximum];
  if (said.kind === "switch" && !said.nullable) return h("input", { type: "checkbox", role: "switch", class: "all-check" });
  if (said.kind === "switch") return options([["null", t("Automatic")], ["true", t("Yes")], ["false", t("No")]]);
  if (said.kind === "choice") return options([...(said.nullable ? [["", t("Unsaid")]] : []), ...said.choices.map((one) => [String(one), String(one)])]);
  if (said.kind === "number") return h("input", { type: "number", min, max, step: said.whole ? 1 : "any", placeholder: said.nullable ? t("Unsaid") : undefined });
  return h("input", { type: "text", spellcheck: "false", autocomplete: "off" });
}

const options = (pairs) => h("select", {}, pairs.map(([value, label]) => h("option", { value }, label)));

function written(said, value) {
  if (said.kind === "json") return JSON.stringify(value ?? null);
  if (said.kind === "words" || said.kind === "several") return (value ?? []).join(", ");
  if (said.kind === "switch") return String(value ?? null);
  return value === null || value === undefined ? "" : String(value);
}

function read(said, input) {
  const text = input.value.trim();
  if (input.type === "checkbox") return input.checked;
  if (said.kind === "switch") return JSON.parse(text);
  if (text === "" && said.nullable) return null;
  if (said.kind === "number") return text !== "" && input.checkValidity() ? Number(text) : new Error();
  if (said.kind === "words" || said.kind === "several") return text.split(",").map((word) => word.trim()).filter(Boolean);
  if (said.kind !== "json") return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    return error;
  }
}
