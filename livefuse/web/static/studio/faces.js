// Whose face is put on: a gallery that changes it at once, by a click or the keys 1 to 9.

import { fill, h, write } from "./dom.js";
import { Pictures } from "./pictures.js";
import { addPhoto, groundWords } from "./add_photo.js";
import { dropsOnto } from "./source_file.js";
import { styled } from "./styled.js";
import { takePhoto } from "./take_photo.js";
import { t, when } from "./words.js";

const PHOTOS = "image/*";
const KEYS = 9;

export async function mount(host, studio) {
  styled("faces");
  const panel = new FacesPanel(host, studio);
  await panel.begin();
}

class FacesPanel {
  #drawn = [];
  #wanted = null; // pressed, and not yet told by the daemon

  constructor(host, studio) {
    this.host = host;
    this.studio = studio;
    this.pictures = new Pictures(studio);
    this.note = host.closest(".panel")?.querySelector(".panel-note");
    this.gallery = h("div", { class: "gallery face-gallery", role: "group", "aria-label": t("Faces") });
    this.about = h("div", { class: "face-about" });
    this.chooser = h("input", { type: "file", accept: PHOTOS, hidden: true, onchange: () => this.#add(this.chooser.files[0]) });
    const photo = h("button", { type: "button", onclick: () => this.#take() }, t("Take a photo"));
    const drop = h("button", { type: "button", onclick: () => this.chooser.click() }, t("Choose a photo"));
    host.append(
      this.gallery,
      h("div", { class: "face-add" }, photo, drop, this.chooser),
      h("p", { class: "quiet face-hint" }, t("Or drop a photo here, or paste one.")),
      this.about,
    );
    dropsOnto(host, (file) => this.#add(file));
    document.addEventListener("paste", (event) => this.#paste(event));
  }

  async begin() {
    const { studio } = this;
    studio.on("identities", () => this.#show());
    studio.on("config", () => this.#changed());
    studio.on("online", () => this.#drawn.length || this.#fetchDrawn());
    for (let n = 1; n <= KEYS; n += 1) studio.key(String(n), t("Face {n}", { n }), () => this.#byKey(n));
    studio.key("0", t("No face: covered"), () => this.#wear(null));
    await this.#fetchDrawn();
  }

  async #fetchDrawn() {
    try {
      this.#drawn = (await this.studio.ask("/api/drawn")).drawn;
      this.#show();
    } catch (error) {
      if (!error.needsToken) this.studio.fail(error);
    }
  }

  // What can be put on, in the order of the keys.
  #faces() {
    const damaged = this.studio.identities?.damaged ?? {};
    const stored = (this.studio.identities?.identities ?? []).map((one) => ({
      key: one.name, name: one.name, stored: one, problem: one.problem || damaged[one.id] || "",
      photo: `/api/identities/${encodeURIComponent(one.name)}/photo?size=192`, version: one.id,
      wear: { photo: one.name, consent: null, by: "", face: null },
    }));
    const drawn = this.#drawn.map((one) => ({
      key: one.photo, name: one.name, problem: "", photo: `/api/drawn/${one.seed}/photo`, version: "",
      wear: { photo: one.photo, consent: "synthetic", by: "", face: null },
    }));
    return [...stored, ...drawn];
  }

  #chosen() {
    if (this.#wanted !== null) return this.#wanted;
    return this.studio.config?.identity?.photo ?? "";
  }

  #isChosen(face) {
    const now = this.#chosen().toLowerCase();
    return now === face.key.toLowerCase() || now === face.stored?.id;
  }

  #show() {
    const focused = document.activeElement?.dataset?.face;
    const faces = this.#faces();
    this.pictures.keep(faces.map((face) => this.#pictureKey(face)));
    const none = h(
      "button",
      { type: "button", class: "tile face-none", dataset: { face: "" }, "aria-pressed": String(this.#chosen() === ""), onclick: () => this.#wear(null), title: t("The face is covered, not shown") },
      h("kbd", { "aria-hidden": "true" }, "0"), t("No face"),
    );
    fill(this.gallery, faces.map((face, i) => this.#tile(face, i)), none);
    if (focused !== undefined) this.gallery.querySelector(`[data-face="${CSS.escape(focused)}"]`)?.focus();
    this.#tellAbout(faces.find((face) => this.#isChosen(face)));
  }

  #pictureKey(face) {
    return `${face.photo}#${face.version}`;
  }

  #tile(face, i) {
    const image = h("img", { alt: "", width: 96, height: 96 });
    this.pictures.into(image, this.#pictureKey(face));
    return h(
      "button",
      { type: "button", class: "tile", dataset: { face: face.key }, "aria-pressed": String(this.#isChosen(face)), title: face.problem || face.name, onclick: () => this.#wear(face) },
      image, h("span", {}, face.name),
      i < KEYS ? h("kbd", { "aria-hidden": "true" }, String(i + 1)) : null,
      face.problem ? h("b", { class: "face-problem", title: face.problem }, "!") : null,
    );
  }

  #tellAbout(face) {
    if (this.note) write(this.note, face?.name ?? (this.#chosen() ? this.#chosen().split(/[\\/]/).pop() : t("None: covered")));
    const { stored } = face ?? {};
    if (!stored) return fill(this.about, face ? h("p", { class: "quiet" }, t("{name} is drawn: this face belongs to nobody.", { name: face.name })) : "");
    const words = t("{ground}, said {who} on {when}", { ground: groundWords(stored.consent.ground), who: stored.consent.who, when: when(stored.consent.when) });
    const remove = h("button", { type: "button", class: "small ghost", "aria-label": t("Remove {name}", { name: stored.name }), onclick: () => this.#remove(stored) }, t("Remove"));
    fill(this.about, h("p", { class: "quiet" }, words), remove, face.problem ? h("p", { class: "fault" }, face.problem) : null);
  }

  #changed() {
    this.#wanted = null;
    for (const tile of this.gallery.querySelectorAll("[data-face]")) {
      const face = this.#faces().find((one) => one.key === tile.dataset.face);
      tile.setAttribute("aria-pressed", String(face ? this.#isChosen(face) : this.#chosen() === ""));
    }
    this.#tellAbout(this.#faces().find((face) => this.#isChosen(face)));
  }

  #byKey(n) {
    const face = this.#faces()[n - 1];
    if (face) this.#wear(face);
  }

  // The pressed one is marked at once; if the daemon refuses, the mark goes back.
  async #wear(face) {
    const before = this.#wanted;
    this.#wanted = face?.key ?? "";
    const wanted = this.#wanted;
    for (const tile of this.gallery.querySelectorAll("[data-face]")) tile.setAttribute("aria-pressed", String(tile.dataset.face === wanted));
    this.#tellAbout(face ?? undefined);
    const done = await this.studio.change({ identity: face?.wear ?? { photo: "", consent: null, by: "", face: null } });
    if (this.#wanted !== wanted) return; // another was pressed meanwhile
    if (!done) {
      this.#wanted = before;
      this.#changed();
      return;
    }
    this.studio.say(face ? t("{name} is put on", { name: face.name }) : t("No face is put on: faces are covered"));
  }

  async #remove(stored) {
    const sure = await this.studio.confirm({
      title: t("Remove {name}?", { name: stored.name }),
      words: t("The photo is deleted from this machine, and the consent is withdrawn. This cannot be undone."),
      yes: t("Remove"), danger: true,
    });
    if (!sure) return;
    try {
      if (this.#chosen().toLowerCase() === stored.name.toLowerCase()) await this.#wear(null);
      await this.studio.ask(`/api/identities/${encodeURIComponent(stored.name)}`, { method: "DELETE" });
      this.studio.say(t("{name} is removed", { name: stored.name }));
      this.gallery.querySelector("button")?.focus();
    } catch (error) {
      this.studio.fail(error);
    }
    await this.studio.refresh("identities");
  }

  // --- adding

  async #take() {
    const photo = await takePhoto(this.studio);
    if (photo) await this.#add(photo);
  }

  #paste(event) {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    const busy = document.querySelector("dialog[open]") || document.body.dataset.first || document.body.dataset.view !== "live";
    if (!file || busy || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    this.#add(file);
  }

  async #add(photo) {
    this.chooser.value = "";
    if (!photo) return;
    const stored = await addPhoto(this.studio, photo);
    if (!stored) return;
    await this.studio.refresh("identities");
    await this.#wear(this.#faces().find((face) => face.stored?.id === stored.id) ?? null);
  }
}
