// What the page says, in the user's language. The English words are the keys; catalogues are `lang/CODE.json`.

const KEY = "livefuse-language";
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", fr: "Français" };

let catalogue = {};
export const language = chosen();

function chosen() {
  const wanted = [stored(), ...navigator.languages];
  return wanted.map((tag) => tag?.slice(0, 2).toLowerCase()).find((code) => code in LANGUAGES) ?? "en";
}

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function choose(code) {
  try {
    localStorage.setItem(KEY, code);
  } catch {
    // storage is forbidden: the language lasts as long as the page
  }
  location.reload();
}

// t("{n} frames", { n: 3 })
export function t(words, values = {}) {
  return (catalogue[words] ?? words).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// The words of the shell itself: `data-t` for the text, `data-t-label` for the name, `data-t-title` for the tooltip.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.textContent.trim());
  for (const element of root.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.getAttribute("aria-label")));
  for (const element of root.querySelectorAll("[data-t-title]")) element.title = t(element.title);
}

export const number = (value, digits = 0) => new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const when = (date) => new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(date));

if (language !== "en") {
  const response = await fetch(`/static/studio/lang/${language}.json`).catch(() => null);
  if (response?.ok) catalogue = await response.json();
}
document.documentElement.lang = language;
