// Hotkeys. They rest while somebody types, or answers a dialog.

import { h } from "./dom.js";
import { t } from "./words.js";
import { dialog } from "./dialog.js";

const bound = new Map();

const TYPING = "input:not([type=checkbox], [type=range], [type=radio], [type=button]), textarea, select, [contenteditable]";
const PRESSED_BY_SPACE = "button, summary, a, input, [role=slider]";

// `key` as event.key says it, lower case; "shift+1" and "ctrl+z" are keys too.
export function key(name, label, act) {
  bound.set(name, { label, act });
  return () => bound.delete(name);
}

function said(event) {
  const [plain, digit] = [event.key.toLowerCase(), /^Digit(\d)$/.exec(event.code)?.[1]];
  const name = event.shiftKey && digit ? digit : plain;
  const parts = [(event.ctrlKey || event.metaKey) && "ctrl", event.altKey && "alt", event.shiftKey && (digit || plain.length > 1) && "shift", name];
  return parts.filter(Boolean).join("+");
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.(TYPING)) return;
  if ([" ", "enter"].includes(event.key.toLowerCase()) && event.target.closest?.(PRESSED_BY_SPACE)) return;
  const found = bound.get(said(event));
  if (!found) return;
  event.preventDefault();
  found.act(event);
});

const SHOWN = { " ": t("Space"), escape: "Esc", arrowleft: "←", arrowright: "→" };

const one = (part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part[0].toUpperCase() + part.slice(1));

export function shown(name) {
  return name.split("+").map(one).join(" + ");
}

export function showKeys() {
  const rows = [...bound].map(([name, { label }]) => h("div", {}, h("dt", {}, h("kbd", {}, shown(name))), h("dd", {}, label)));
  dialog(t("Keys"), h("dl", { class: "keys" }, rows));
}

key("?", t("Show the keys"), showKeys);
