// What an app may do, in plain words. Whoever may do more than watch may watch too.

import { h } from "./dom.js";
import { t } from "./words.js";

export const SCOPES = ["view", "control", "identities"];

const words = () => ({
  view: [t("Watch"), t("See the swapped picture and its figures")],
  control: [t("Control"), t("Start, stop, record, hide the picture, apply presets, change the look, take another stored face")],
  identities: [t("Faces"), t("See, add and remove the stored faces")],
});

export const label = (scope) => words()[scope]?.[0] ?? scope;

// Checkboxes in a fieldset; `chosen()` gives the scopes that are ticked.
export function scopeBoxes(ticked, { onchange } = {}) {
  const boxes = SCOPES.map((scope) => {
    const [name, about] = words()[scope];
    const input = h("input", { type: "checkbox", name: scope, checked: scope === "view" || ticked.includes(scope), disabled: scope === "view", onchange });
    return { scope, input, row: h("label", { class: "apps-scope" }, input, h("span", {}, h("strong", {}, name), h("span", { class: "quiet" }, about))) };
  });
  const element = h("fieldset", { class: "apps-scopes" }, h("legend", {}, t("It may")), boxes.map((box) => box.row));
  return { element, chosen: () => boxes.filter((box) => box.input.checked).map((box) => box.scope) };
}
