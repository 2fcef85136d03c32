// Which file is to be swapped, with whose face.

import { fill, h, write } from "./dom.js";
import { look } from "./jobs_live.js";
import { dropsOnto, upload } from "./source_file.js";
import { t } from "./words.js";

const TAKEN = "video/*,image/png,image/jpeg,image/webp,.mkv,.ts,.flv";
const GROUNDS = { self: t("it is the own face"), licence: t("by a licence"), "public-domain": t("public domain"), synthetic: t("a drawn face: it belongs to nobody") };

export class JobForm {
  constructor(studio) {
    this.studio = studio;
    this.input = h("input", { type: "text", name: "input", required: true, placeholder: "/home/me/clip.mp4", spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
    this.output = h("input", { type: "text", name: "output", placeholder: t("beside it, with “-swapped” in its name"), spellcheck: "false", autocomplete: "off", autocapitalize: "off" });
    this.overwrite = h("input", { type: "checkbox" });
    this.face = h("select", { onchange: () => this.tellConsent() });
    this.preset = h("select", {});
    this.consent = h("span", { class: "hint" });
    this.sending = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("Sending the file") });
    this.start = h("button", { type: "submit", class: "main" }, t("Swap this file"));
    this.identities = { identities: [] };
    this.drawn = [];
    this.element = this.form();
    dropsOnto(this.element, (file) => this.send(file));
    studio.on("identities", (told) => this.faces(told));
    this.fetchLists();
  }

  form() {
    const chooser = h("input", { type: "file", accept: TAKEN, hidden: true, onchange: () => chooser.files[0] && this.send(chooser.files[0]).then(() => (chooser.value = "")) });
    this.choose = h("button", { type: "button", class: "jobs-drop", onclick: () => chooser.click() }, t("Choose a file, or drop one here"));
    const field = (label, control, hint) => h("label", { class: "field" }, h("span", {}, label), control, hint);
    const form = h(
      "form",
      { class: "card jobs-form", "aria-label": t("A new job") },
      h("h3", {}, t("Swap a file")),
      this.choose, chooser, this.sending,
      field(t("or its path on the daemon's machine"), this.input),
      field(t("Face"), this.face, this.consent),
      field(t("Preset"), this.preset),
      h("details", { class: "jobs-more" }, h("summary", {}, t("Where it goes")),
        h("div", { class: "jobs-more-body" }, field(t("Path of the result"), this.output), h("label", { class: "switch" }, h("span", {}, t("Replace a file that is there")), this.overwrite))),
      this.start,
      h("p", { class: "quiet hint" }, t("Jobs run one after another, at the lowest priority: live pictures come first.")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.studio.busy(this.start, this.add());
    });
    return form;
  }

  async fetchLists() {
    const [presets, drawn] = await Promise.all([this.studio.ask("/api/presets").catch(() => ({ presets: [] })), this.studio.ask("/api/drawn").catch(() => ({ drawn: [] }))]);
    const before = this.preset.value;
    fill(this.preset, h("option", { value: "" }, t("None: as livefuse comes")), presets.presets.map((name) => h("option", { value: name, selected: name === before }, name)));
    this.drawn = drawn.drawn;
    this.faces(this.identities);
  }

  faces(told) {
    this.identities = told;
    const before = this.face.options.length > 1 ? this.face.value : null;
    const stored = told.identities.filter((one) => !one.problem).map((one) => h("option", { value: one.name }, one.name));
    const drawn = this.drawn.map((one) => h("option", { value: one.photo }, one.name));
    fill(
      this.face,
      stored.length ? h("optgroup", { label: t("Stored") }, stored) : null,
      drawn.length ? h("optgroup", { label: t("Drawn") }, drawn) : null,
      h("option", { value: "" }, t("The one of the preset")),
    );
    if ([...this.face.options].some((option) => option.value === before)) this.face.value = before;
    else this.face.selectedIndex = 0;
    this.tellConsent();
  }

  tellConsent() {
    const stored = this.identities.identities.find((one) => one.name === this.face.value);
    const ground = stored ? stored.consent.ground : this.face.value ? "synthetic" : "";
    const who = stored?.consent.who ? t(", says {who}", { who: stored.consent.who }) : "";
    write(this.consent, ground ? t("Consent: {ground}{who}", { ground: GROUNDS[ground] ?? ground, who }) : t("The preset has to bring a face and the consent to use it."));
  }

  async send(file) {
    this.choose.disabled = true;
    this.sending.hidden = false;
    try {
      const kept = await upload(file, (part) => (this.sending.value = part));
      this.input.value = kept.url;
      write(this.choose, t("{name} is here", { name: file.name }));
    } catch (error) {
      this.studio.fail(error);
    } finally {
      this.choose.disabled = false;
      this.sending.hidden = true;
    }
  }

  async add() {
    const body = { input: this.input.value.trim(), output: this.output.value.trim(), overwrite: this.overwrite.checked, preset: this.preset.value, identity: this.face.value };
    await this.studio.ask("/api/jobs", { method: "POST", json: body });
    this.input.value = this.output.value = "";
    write(this.choose, t("Choose a file, or drop one here"));
    this.studio.say(t("The job is in the queue"));
    await look();
  }
}
