// Presets: looks kept under names, applied with one press, looked at before, taken back after, passed on as files.

import { fill, h } from "./dom.js";
import { Keyed } from "./keyed.js";
import { askName, askSaving, showChanges } from "./presets_dialogs.js";
import { exported, imported } from "./presets_files.js";
import { apply, bind } from "./presets_keys.js";
import { keyName, partName, slug, stepName, valueWords } from "./presets_words.js";
import { styled } from "./styled.js";
import { t, when } from "./words.js";

const NOTABLE = 4;
const path = (name, rest = "") => `/api/presets/${encodeURIComponent(name)}${rest}`;

export function mount(host, studio) {
  styled("presets");
  host.classList.add("presets-view");
  const view = new View(studio);
  host.append(view.tools(), view.deleted, view.grid, view.empty, view.history);
  studio.on("config", () => view.lookBack());
  studio.on("session", () => view.lookBack());
  addEventListener("hashchange", () => location.hash === "#presets" && view.refresh()); // others keep presets, too
  return view.refresh();
}

class View {
  constructor(studio) {
    this.studio = studio;
    this.cards = [];
    this.deleted = h("p", { class: "presets-deleted row", role: "status", hidden: true });
    this.grid = h("div", { class: "presets" });
    this.empty = h("p", { class: "empty", hidden: true }, t("No preset yet. Make the picture look as you like it, then save it under a name."));
    this.steps = h("ol", { class: "list steps" });
    this.history = h("section", { class: "card history" }, h("header", { class: "row" }, h("h3", { class: "grow" }, t("Recent changes")), this.undoButton()), this.steps);
    this.list = new Keyed(this.grid, (card) => this.card(card));
  }

  tools() {
    const file = h("input", { type: "file", accept: ".toml,.json,application/json", hidden: true });
    const save = h("button", { type: "button", class: "main" }, t("Save the current look…"));
    const take = h("button", { type: "button" }, t("Import…"));
    save.addEventListener("click", () => this.act(save, this.save()));
    take.addEventListener("click", () => file.click());
    file.addEventListener("change", () => {
      const [chosen] = file.files;
      file.value = "";
      if (chosen) this.act(take, this.take(chosen));
    });
    return h("div", { class: "row" }, save, take, file, h("p", { class: "quiet" }, t("Shift and a number applies a preset from anywhere on this page.")));
  }

  undoButton() {
    this.undo = h("button", { type: "button", class: "small", "aria-keyshortcuts": "Control+Z" }, t("Undo the last change"));
    this.undo.addEventListener("click", () => this.act(this.undo, this.studio.undo()));
    return this.undo;
  }

  // Failures are told; whatever came of it, the list is shown anew.
  async act(button, promise) {
    const came = await this.studio.busy(button, promise);
    const card = document.activeElement.closest?.(".preset");
    await this.refresh();
    if (card && !card.isConnected) this.grid.querySelector("button, summary")?.focus(); // renamed or deleted
    return came;
  }

  async refresh() {
    try {
      const { cards } = await this.studio.ask("/api/presets");
      this.cards = cards;
    } catch (error) {
      if (!error.needsToken) this.studio.fail(error);
      return;
    }
    bind(this.studio, this.cards);
    const order = (card) => card.number ?? 10;
    const sorted = [...this.cards].sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name));
    this.list.show(sorted.map((card) => [card.name, card]));
    this.empty.hidden = this.cards.length > 0;
    await this.lookBack();
  }

  async lookBack() {
    if (!this.studio.session) return;
    const { steps } = await this.studio.ask(this.studio.path("/history")).catch(() => ({ steps: [] }));
    fill(this.steps, steps.slice(0, 8).map((step) => h("li", {}, h("span", {}, stepName(step)), h("time", { class: "quiet", dateTime: step.when }, when(step.when)))));
    this.undo.disabled = !steps.length;
    this.history.hidden = !steps.length;
  }

  card(card) {
    const notable = Object.entries(card.notable).slice(0, NOTABLE);
    const more = Object.keys(card.notable).length - notable.length;
    return h(
      "article",
      { class: "preset", "aria-label": card.name },
      h("header", {}, card.number ? h("kbd", { title: t("Shift + {n}", { n: card.number }) }, String(card.number)) : null, h("h3", {}, card.name), h("span", { class: "preset-chips" }, card.parts.map((part) => h("span", { class: "badge" }, partName(part))))),
      card.problem
        ? h("p", { class: "fault" }, card.problem)
        : h("dl", { class: "preset-notable" }, notable.map(([key, value]) => h("div", {}, h("dt", {}, keyName(key)), h("dd", {}, valueWords(value)))), more > 0 && h("div", {}, h("dt", {}, t("and {n} more", { n: more }))), !notable.length && h("div", {}, h("dt", {}, t("All as livefuse comes")))),
      this.actions(card),
    );
  }

  actions(card) {
    const made = (act, label, run, kind = "ghost") => {
      const button = h("button", { type: "button", class: `small ${kind}`, dataset: { act }, "aria-label": `${label}: ${card.name}` }, label);
      button.addEventListener("click", () => {
        const menu = button.closest("details");
        if (menu) {
          menu.querySelector("summary").focus(); // the entry itself is hidden now
          menu.open = false;
        }
        this.act(button, run(card));
      });
      return button;
    };
    return h(
      "div",
      { class: "row preset-acts" },
      !card.problem && made("apply", t("Apply"), () => apply(this.studio, card.name), ""),
      !card.problem && made("changes", t("What changes"), () => this.changes(card)),
      h("details", { class: "more" },
        h("summary", { class: "button small ghost", dataset: { act: "more" }, "aria-label": t("More: {name}", { name: card.name }) }, t("More")),
        h("div", { class: "more-body" },
          this.numbers(card),
          made("rename", t("Rename"), () => this.rename(card)),
          made("duplicate", t("Duplicate"), () => this.duplicate(card)),
          made("toml", t("Export as TOML"), () => exported(this.studio, card.name, "toml")),
          made("json", t("Export as JSON"), () => exported(this.studio, card.name, "json")),
          made("remove", t("Delete"), () => this.remove(card)))),
    );
  }

  numbers(card) {
    const options = [null, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => h("option", { value: n ?? "", selected: n === card.number }, n ? t("Shift + {n}", { n }) : t("no key")));
    const select = h("select", { "aria-label": t("Key: {name}", { name: card.name }), dataset: { act: "number" } }, options);
    select.addEventListener("change", () => this.act(select, this.studio.ask(path(card.name, "/number"), { method: "POST", json: { number: Number(select.value) || null } })));
    return select;
  }

  async changes(card) {
    if (await showChanges(this.studio, card.name)) await apply(this.studio, card.name);
  }

  async save() {
    const wanted = await askSaving(this.studio, this.cards.map((card) => card.name));
    if (!wanted) return;
    await this.studio.ask(path(wanted.name, "/save"), { method: "POST", json: { session: this.studio.session, parts: wanted.parts, overwrite: true } });
    this.studio.say(t("Saved as {name}", { name: wanted.name }));
  }

  async take(file) {
    const name = await imported(this.studio, file, this.cards.map((card) => card.name));
    if (name) this.studio.say(t("Imported {name}", { name }), t("“What changes” shows what it would do, before it does."));
  }

  async rename(card) {
    const to = await askName(this.studio, t("Rename {name}", { name: card.name }), card.name, t("Rename"));
    if (to && to !== card.name) await this.studio.ask(path(card.name, "/rename"), { method: "POST", json: { to } });
  }

  async duplicate(card) {
    const to = await askName(this.studio, t("Duplicate {name}", { name: card.name }), slug(`${card.name}-2`), t("Duplicate"));
    if (to) await this.studio.ask(path(card.name, "/duplicate"), { method: "POST", json: { to } });
  }

  async remove(card) {
    const { config } = card.problem ? {} : await this.studio.ask(path(card.name));
    await this.studio.ask(path(card.name), { method: "DELETE" });
    const back = h("button", { type: "button", class: "small" }, t("Bring it back"));
    back.addEventListener("click", () => this.act(back, this.restore(card, config)));
    fill(this.deleted, h("span", {}, t("The preset {name} was deleted.", { name: card.name })), config && back);
    this.deleted.hidden = false;
    back.focus();
  }

  async restore(card, config) {
    await this.studio.ask(path(card.name), { method: "PUT", json: config });
    await this.studio.ask(path(card.name, "/number"), { method: "POST", json: { number: card.number } });
    this.deleted.hidden = true;
  }
}
