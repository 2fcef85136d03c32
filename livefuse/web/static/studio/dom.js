// Elements without markup: what comes from outside is only ever text.

import { t } from "./words.js";

// h("button", { class: "main", onclick: act, "aria-pressed": "false" }, "Save", icon, [more])
export function h(tag, props = {}, ...children) {
  const element = tag === "svg" || tag === "path" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "htmlFor", "textContent", "srcObject", "muted", "selected", "open", "indeterminate"]);

// Writes only what differs: a screen reader repeats what is written again, and a selection is lost.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

// What the daemon says begins small: a word is made a sentence of, an address or a name stays as it is.
export function sentence(words) {
  const text = String(words ?? "");
  return /^\p{Ll}+[ ,]/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
}

// A line drawing of 24 x 24: `icon("M4 9.5h3")`.
export function icon(...paths) {
  return h("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, paths.map((d) => h("path", { d })));
}

// A value that is wanted elsewhere. `secret` keeps it covered until it is asked for, also while it is copied.
export function copyable(text, label, { secret = false } = {}) {
  const code = h("code", {}, secret ? "•".repeat(12) : text);
  const copy = h("button", { type: "button", class: "small", "aria-label": t("Copy: {what}", { what: label }) }, t("Copy"));
  const show = secret && h("button", { type: "button", class: "small ghost", "aria-label": t("Show: {what}", { what: label }) }, t("Show"));
  copy.addEventListener("click", async () => {
    const done = await toClipboard(text, code);
    write(copy, done ? t("Copied") : t("Press Ctrl+C"));
    setTimeout(() => write(copy, t("Copy")), 1600);
  });
  show?.addEventListener?.("click", () => {
    const covered = code.textContent !== text;
    write(code, covered ? text : "•".repeat(12));
    write(show, covered ? t("Hide") : t("Show"));
  });
  return h("div", { class: "code" }, code, show, copy);
}

async function toClipboard(text, code) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    write(code, text); // no clipboard without HTTPS: selected, for the user to copy
    getSelection().selectAllChildren(code);
    return false;
  }
}

export function bytes(count) {
  if (!Number.isFinite(count)) return "–";
  const [unit, size] = count >= 1e9 ? ["GB", 1e9] : count >= 1e6 ? ["MB", 1e6] : count >= 1e3 ? ["kB", 1e3] : ["B", 1];
  const value = count / size;
  return `${value.toFixed(value < 10 && size > 1 ? 1 : 0)} ${unit}`;
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
