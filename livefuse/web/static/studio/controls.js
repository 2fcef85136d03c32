// Controls of one setting each: `element`, `set(value)` to show what holds, `enable(yes, why)`. Real inputs underneath.

import { fill, h, icon, write } from "./dom.js";
import { same } from "./schema.js";
import { number, t } from "./words.js";

let made = 0;
const RESET = "M5 5v5h5M5.6 15a7 7 0 1 0 .6-7.6L5 10";

// The frame around a control: its reset button while it differs from `standard`, and why it cannot be used.
function framed(kind, said, act, parts) {
  const reset = h(
    "button",
    { type: "button", class: "ghost look-reset", hidden: true, title: t("Back to the default"), "aria-label": t("Reset: {what}", { what: said.label }), onclick: () => act(said.standard) },
    icon(RESET),
  );
  const why = h("p", { class: "look-why quiet", hidden: true });
  const element = h("div", { class: `look-item look-${kind}`, dataset: { key: said.key }, title: said.description }, parts(reset), why);
  return {
    element,
    changed: (value) => (reset.hidden = same(value, said.standard)),
    why(words) {
      why.hidden = !words;
      write(why, words);
    },
  };
}

function control(frame, inputs, show) {
  return {
    element: frame.element,
    set(value) {
      frame.changed(value);
      show(value);
    },
    enable(yes, why = "") {
      for (const input of inputs()) input.disabled = !yes;
      frame.element.classList.toggle("off", !yes);
      frame.why(yes ? "" : why);
    },
    why: frame.why,
  };
}

export function toggle(said, act) {
  const id = `look-${++made}`;
  const input = h("input", { id, type: "checkbox", role: "switch", onchange: () => act(input.checked) });
  const frame = framed("switch", said, act, (reset) => [h("label", { class: "switch", for: id }, h("span", {}, said.label), input), reset]);
  return control(frame, () => [input], (value) => (input.checked = value === true));
}

// A slider with a field for the exact number. Fractions of one are shown in percent.
export function slider(said, act) {
  const id = `look-${++made}`;
  const percent = said.maximum === 1 && !said.whole;
  const scale = percent ? 100 : 1;
  const range = { min: (said.minimum ?? 0) * scale, max: said.maximum * scale, step: said.whole || percent || said.maximum >= 50 ? 1 : 0.1 };
  const shown = (value) => String(Math.round(value * scale * 10) / 10);
  const taken = (text) => Math.round(Number(text) * 1e6 / scale) / 1e6;
  const bar = h("input", { id, type: "range", ...range });
  const field = h("input", { type: "number", ...range, inputmode: "decimal", "aria-label": t("{what}, as a number", { what: said.label }) });
  bar.addEventListener("input", () => {
    field.value = bar.value;
    act(taken(bar.value));
  });
  field.addEventListener("change", () => (field.checkValidity() && field.value !== "" ? act(taken(field.value)) : field.reportValidity()));
  const unit = percent ? "%" : (said.unit ?? "");
  const frame = framed("slider", said, act, (reset) => [
    h("div", { class: "look-head" }, h("label", { for: id }, said.label), reset, h("span", { class: "look-number" }, field, h("span", { class: "quiet" }, unit))),
    bar,
  ]);
  return control(frame, () => [bar, field], (value) => {
    if (value === null || value === undefined) return;
    if (document.activeElement !== bar || !bar.matches(":active")) bar.value = shown(value);
    if (document.activeElement !== field) field.value = shown(value);
    bar.setAttribute("aria-valuetext", `${number(Number(shown(value)), percent || said.whole ? 0 : 1)} ${unit}`.trim());
  });
}

// A few choices side by side: radio buttons, so that arrows move and a screen reader counts them.
export function segments(said, options, act) {
  const name = `look-${++made}`;
  const radios = options.map(({ value, label, hint = "" }) => {
    const input = h("input", { type: "radio", name, class: "visually-hidden", onchange: () => act(value) });
    return { value, input, element: h("label", { title: hint }, input, h("span", {}, label)) };
  });
  const frame = framed("segments", said, act, (reset) => [
    h("div", { class: "look-head" }, h("span", { id: `${name}-label` }, said.label), reset),
    h("div", { class: "look-choices", role: "radiogroup", "aria-labelledby": `${name}-label` }, radios.map((one) => one.element)),
  ]);
  return control(frame, () => radios.map((one) => one.input), (value) => radios.forEach((one) => (one.input.checked = same(one.value, value))));
}

export function select(said, options, act) {
  const id = `look-${++made}`;
  const box = h("select", { id, onchange: () => act(options[Number(box.value)]?.value) });
  fill(box, options.map((one, index) => h("option", { value: String(index) }, one.label)));
  const frame = framed("select", said, act, (reset) => [h("div", { class: "look-head" }, h("label", { for: id }, said.label), reset), box]);
  return control(frame, () => [box], (value) => (box.value = String(options.findIndex((one) => same(one.value, value)))));
}

// Any number of a few words; none of them means all.
export function several(said, options, act) {
  const id = `look-${++made}`;
  let now = [];
  const pressed = (value, on) => act(options.map((one) => one.value).filter((one) => (one === value ? on : now.includes(one))));
  const boxes = options.map(({ value, label }) => {
    const input = h("input", { type: "checkbox", class: "visually-hidden", onchange: () => pressed(value, input.checked) });
    return { value, input, element: h("label", {}, input, h("span", {}, label)) };
  });
  const frame = framed("segments", said, act, (reset) => [
    h("div", { class: "look-head" }, h("span", { id }, said.label), reset),
    h("div", { class: "look-choices", role: "group", "aria-labelledby": id }, boxes.map((one) => one.element)),
  ]);
  return control(frame, () => boxes.map((one) => one.input), (value) => {
    now = value ?? [];
    for (const one of boxes) one.input.checked = now.includes(one.value);
  });
}
