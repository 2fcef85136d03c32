// What belongs to this browser alone: language and theme.

import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { LANGUAGES, choose, language, t } from "./words.js";

const KEY = "livefuse-theme";

export function theme(wanted = stored()) {
  if (wanted === "dark" || wanted === "light") document.documentElement.dataset.theme = wanted;
  else delete document.documentElement.dataset.theme;
}

function stored() {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto";
  }
}

function keep(wanted) {
  try {
    localStorage.setItem(KEY, wanted);
  } catch {
    // storage is forbidden: the theme lasts as long as the page
  }
  theme(wanted);
}

export function openSettings() {
  const themes = { auto: t("As the system"), dark: t("Dark"), light: t("Light") };
  const options = (words, chosen) => Object.entries(words).map(([value, label]) => h("option", { value, selected: value === chosen }, label));
  const languages = h("select", { onchange: (event) => choose(event.target.value) }, options(LANGUAGES, language));
  const colours = h("select", { onchange: (event) => keep(event.target.value) }, options(themes, stored()));
  dialog(t("This page"), [
    h("label", { class: "field" }, h("span", {}, t("Language")), languages),
    h("label", { class: "field" }, h("span", {}, t("Colours")), colours),
    h("p", { class: "row" }, h("a", { href: "/sessions" }, t("All sessions")), h("a", { href: "/docs" }, t("API"))),
  ]);
}
