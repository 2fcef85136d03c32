// What presets ask for: which parts to save, names, files; and what one would change.

import { h } from "./dom.js";
import { PARTS, keyName, slug, valueWords } from "./presets_words.js";
import { t } from "./words.js";

// A dialog with a form; Enter agrees. -> whether it was agreed to
async function agreed(studio, title, body, yes) {
  const form = h("form", { class: "preset-form" }, body);
  const shown = studio.dialog(title, form, [
    { label: t("Cancel"), value: false, class: "ghost" },
    { label: yes, value: true, class: "main" },
  ]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    shown.dialog.querySelector("footer .main").click();
  });
  return shown;
}

function nameField(value) {
  const input = h("input", { type: "text", value, maxlength: 48, required: true, autofocus: true, autocomplete: "off", spellcheck: "false" });
  const becomes = h("span", { class: "hint" });
  const tell = () => (becomes.textContent = input.value && slug(input.value) !== input.value ? t("will be called {name}", { name: slug(input.value) }) : "");
  input.addEventListener("input", tell);
  tell();
  return { field: h("label", { class: "field" }, h("span", {}, t("Name")), input, becomes), read: () => slug(input.value) };
}

export async function askName(studio, title, value, yes) {
  const name = nameField(value);
  return (await agreed(studio, title, name.field, yes)) ? name.read() : "";
}

// -> { name, parts } or null
export async function askSaving(studio, taken) {
  const name = nameField("");
  const boxes = Object.entries(PARTS).map(([part, [label, about]]) => {
    const box = h("input", { type: "checkbox", value: part, checked: part === "look" });
    return { box, row: h("label", { class: "preset-part" }, box, h("span", {}, h("strong", {}, label), h("span", { class: "quiet" }, about))) };
  });
  const parts = h("fieldset", { class: "preset-parts" }, h("legend", {}, t("What it takes from the session")), boxes.map(({ row }) => row));
  if (!(await agreed(studio, t("Save a preset"), [name.field, parts], t("Save")))) return null;
  const chosen = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  if (!name.read()) throw Object.assign(new Error(t("A preset needs a name")), { hint: t("letters and digits") });
  if (!chosen.length) throw Object.assign(new Error(t("Nothing was chosen")), { hint: t("tick what the preset is to take") });
  if (taken.includes(name.read()) && !(await replace(studio, name.read()))) return null;
  return { name: name.read(), parts: chosen };
}

export function replace(studio, name) {
  return studio.confirm({ title: t("Replace the preset {name}?", { name }), words: t("There is one of that name already."), yes: t("Replace"), danger: true });
}

// -> whether to apply it
export async function showChanges(studio, name) {
  const { changes, restart } = await studio.ask(studio.path(`/preset/${encodeURIComponent(name)}`));
  if (!changes.length) {
    studio.say(t("{name} would change nothing: all is like that already", { name }));
    return false;
  }
  const rows = changes.map((one) =>
    h("div", { class: "preset-change" },
      h("dt", { title: one.about }, keyName(one.key), one.restart && h("span", { class: "badge warn" }, t("begins anew"))),
      h("dd", {}, h("del", {}, valueWords(one.before)), " → ", h("ins", {}, valueWords(one.after)))),
  );
  const body = [
    restart && h("p", { class: "quiet" }, t("The session has to begin anew for some of it: viewers see the slate for a moment.")),
    h("dl", { class: "preset-changes" }, rows),
  ];
  const title = changes.length === 1 ? t("{name} would change one thing", { name }) : t("{name} would change {n} things", { name, n: changes.length });
  return studio.dialog(title, body.filter(Boolean), [
    { label: t("Close"), value: false, class: "ghost" },
    { label: t("Apply"), value: true, class: "main" },
  ]);
}
