// What the first five minutes ask: which camera, which face. Both are chosen already; Start is enough.

import { addPhoto } from "./add_photo.js";
import { bytes, fill, h, write } from "./dom.js";
import { able } from "./page_camera.js";
import { Pictures } from "./pictures.js";
import { dropsOnto } from "./source_file.js";
import { styled } from "./styled.js";
import { takePhoto } from "./take_photo.js";
import { t } from "./words.js";

const SYNTHETIC = "synthetic:1280x720@30";

// `start` gets { source, face }: an address or "browser", and settings of the identity.
export async function firstForm(studio, first, { start, skip }) {
  styled("faces");
  styled("source");
  const sources = sourceChoices(first);
  const faces = await faceChoices(studio);
  const begin = h("button", { type: "submit", class: "main first-start" }, t("Start"));
  const lacking = first.lacking_bytes;
  const later = lacking
    ? t("Start fetches {size} of models once. Nothing else leaves this machine.", { size: bytes(lacking) })
    : t("Everything that is needed is here. Nothing leaves this machine.");
  const element = h(
    "form",
    { class: "first card", onsubmit: (event) => { event.preventDefault(); start({ source: sources.chosen(), ...faces.chosen() }); } },
    h("header", { class: "first-head" }, h("h2", {}, t("Your first swapped picture")), h("p", { class: "quiet" }, t("Two choices, both made for you. Change what you like."))),
    step(1, t("Who is filmed?"), sources.element),
    step(2, t("Which face is put on?"), faces.element),
    h("footer", { class: "first-foot" },
      h("p", { class: "quiet" }, later),
      h("div", { class: "row" }, h("button", { type: "button", class: "ghost", onclick: skip }, t("Skip")), begin)),
  );
  dropsOnto(element, faces.add);
  return { element, focus: () => begin.focus() };
}

function step(number, title, body) {
  return h("section", { class: "first-step", "aria-label": title }, h("h3", {}, h("span", { class: "first-number", "aria-hidden": "true" }, String(number)), title), body);
}

function sourceChoices(first) {
  const offered = [
    first.camera && [first.camera.url, first.camera.name, t("on the daemon's machine")],
    ["browser", t("This browser's camera"), able() ? t("asked for when you start") : t("needs HTTPS or localhost")],
    [SYNTHETIC, t("Test picture"), t("a drawn person, no camera")],
  ].filter(Boolean);
  const usable = (key) => key !== "browser" || able();
  let chosen = offered.find(([key]) => usable(key))[0];
  if (chosen === "browser" && !first.camera && !localCamera) chosen = SYNTHETIC;
  const buttons = offered.map(([key, title, words]) =>
    h("button", { type: "button", class: "src-choice", disabled: !usable(key), "aria-pressed": String(key === chosen), dataset: { key }, onclick: () => choose(key) },
      h("span", { class: "src-title" }, title), h("span", { class: "src-sub" }, words)),
  );
  const choose = (key) => {
    chosen = key;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.key === key));
  };
  return { element: h("div", { class: "first-sources" }, buttons), chosen: () => chosen };
}

const localCamera = await hasCamera();

async function hasCamera() {
  if (!able()) return false;
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices.some((device) => device.kind === "videoinput");
}

async function faceChoices(studio) {
  const { drawn } = await studio.ask("/api/drawn");
  const pictures = new Pictures(studio);
  const faces = drawn.map((one) => ({
    key: one.photo, name: one.name, picture: `/api/drawn/${one.seed}/photo`, stored: false,
    identity: { photo: one.photo, consent: "synthetic", by: "", face: null },
  }));
  for (const one of (await studio.ask("/api/identities").catch(() => ({ identities: [] }))).identities) faces.push(storedFace(one));
  let chosen = faces[0].key;
  const gallery = h("div", { class: "gallery first-faces", role: "group", "aria-label": t("Faces") });
  const consent = h("p", { class: "quiet first-consent", role: "status" });
  const chooser = h("input", { type: "file", accept: "image/*", hidden: true, onchange: () => add(chooser.files[0]) });
  const take = h("button", { type: "button", class: "tile add", onclick: async () => add(await takePhoto(studio)) }, t("Take a photo"));
  const drop = h("button", { type: "button", class: "tile add", onclick: () => chooser.click() }, t("Choose or drop a photo"));
  fill(gallery, faces.map(tile), take, drop);
  choose(chosen);

  function tile(face) {
    const image = h("img", { alt: "", width: 128, height: 128 });
    pictures.into(image, face.picture);
    return h("button", { type: "button", class: "tile", dataset: { face: face.key }, "aria-pressed": "false", onclick: () => choose(face.key) }, image, h("span", {}, face.name));
  }

  function choose(key) {
    chosen = key;
    for (const one of gallery.querySelectorAll("[data-face]")) one.setAttribute("aria-pressed", String(one.dataset.face === key));
    const face = faces.find((one) => one.key === key);
    write(consent, face.stored ? t("You have said why {name}'s face may be used.", { name: face.name }) : t("{name} is drawn: the face belongs to nobody, so nobody has to be asked.", { name: face.name }));
  }

  async function add(photo) {
    chooser.value = "";
    const stored = photo && (await addPhoto(studio, photo));
    if (!stored) return;
    studio.refresh("identities");
    const face = storedFace(stored);
    faces.push(face);
    take.before(tile(face));
    choose(face.key);
  }

  return { element: h("div", { class: "first-face" }, gallery, chooser, consent), add, chosen: () => ({ face: faces.find((one) => one.key === chosen) }) };
}

function storedFace(one) {
  return {
    key: one.name, name: one.name, picture: `/api/identities/${encodeURIComponent(one.name)}/photo?size=192`, stored: true,
    identity: { photo: one.name, consent: null, by: "", face: null },
  };
}
