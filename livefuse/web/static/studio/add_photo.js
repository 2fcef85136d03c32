// A photo becomes a face that can be put on, once somebody has said whose it is. Nothing is sent before that.

import { h, sentence, write } from "./dom.js";
import { chooseFace } from "./choose_face.js";
import { t } from "./words.js";

const TAKEN = ["image/jpeg", "image/png", "image/webp"];
const MOST_BYTES = 19 << 20;
const MOST_PX = 4096;
const LOOK_MS = 60000; // the first photo loads the models that find faces
const [NO_FACE, SEVERAL] = ["LF0401", "LF0402"];

export function groundWords(ground) {
  const words = {
    self: t("Their own face"), licence: t("With permission"),
    "public-domain": t("An old picture"), synthetic: t("Drawn or generated"),
  };
  return words[ground] ?? ground;
}

// The stored identity, or null when the user thought better of it.
export async function addPhoto(studio, blob) {
  let photo;
  try {
    photo = await readable(blob);
  } catch {
    studio.fail(Object.assign(new Error(t("This browser cannot read that picture")), { hint: t("JPEG, PNG or WebP work everywhere.") }));
    return null;
  }
  const stored = await asked(studio, photo, blob.name ?? "");
  if (stored) tellQuality(studio, stored);
  return stored;
}

// As it came, if the daemon takes it so; else drawn anew, upright and not too large.
async function readable(blob) {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, MOST_PX / Math.max(bitmap.width, bitmap.height));
  if (TAKEN.includes(blob.type) && blob.size <= MOST_BYTES && scale === 1) {
    bitmap.close();
    return blob;
  }
  const canvas = h("canvas", {});
  [canvas.width, canvas.height] = [Math.round(bitmap.width * scale), Math.round(bitmap.height * scale)];
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((done, failed) => canvas.toBlob((made) => (made ? done(made) : failed()), "image/jpeg", 0.94));
}

// The question, with the picture; the dialog stays until the photo is kept or given up.
function asked(studio, photo, file) {
  const url = URL.createObjectURL(photo);
  const form = consentForm(studio, file);
  let stored = null;
  const open = studio.dialog(t("Whose face is this?"), h("div", { class: "consent" }, h("img", { src: url, alt: t("The photo"), class: "consent-photo" }), form.element));
  form.element.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.busy(true);
    try {
      stored = await keep(studio, photo, url, form.said());
      if (stored) open.close();
    } catch (error) {
      form.busy(false);
      if (error.code === NO_FACE) form.fault(t("No face was found in this photo. Use one from the front, in good light, the face not too small."));
      else form.fault(error.message, error.hint);
    } finally {
      form.busy(false);
    }
  });
  form.cancel.addEventListener("click", () => open.close());
  return open.then(() => {
    URL.revokeObjectURL(url);
    return stored;
  });
}

// Raises what the daemon answers; null when no face of several was chosen.
async function keep(studio, photo, url, { name, consent, by }) {
  const put = (face) => {
    const query = new URLSearchParams({ consent, by, ...(face === undefined ? {} : { face }) });
    return studio.ask(`/api/identities/${encodeURIComponent(name)}?${query}`, {
      method: "PUT", body: photo, headers: { "Content-Type": photo.type }, signal: AbortSignal.timeout(LOOK_MS),
    });
  };
  try {
    return await put();
  } catch (error) {
    if (error.code !== SEVERAL) throw error;
  }
  const { faces } = await studio.ask("/api/faces", { method: "POST", body: photo, headers: { "Content-Type": photo.type }, signal: AbortSignal.timeout(LOOK_MS) });
  const face = await chooseFace(studio, url, faces);
  return face === null ? null : put(face);
}

function consentForm(studio, file) {
  const grounds = {
    self: t("It is my own face"),
    licence: t("I have this person's permission, or a licence"),
    "public-domain": t("An old painting or the like: nobody's rights are left"),
    synthetic: t("Drawn or generated: nobody real"),
  };
  const radios = Object.entries(grounds).map(([value, words], i) =>
    h("label", { class: "consent-ground" }, h("input", { type: "radio", name: "ground", value, required: true, autofocus: i === 0 }), h("span", {}, words)),
  );
  const name = h("input", { type: "text", maxlength: 48, required: true, value: freeName(studio, file), autocomplete: "off", spellcheck: "false" });
  const by = h("input", { type: "text", maxlength: 200, placeholder: t("Your name"), autocomplete: "name" });
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "main" }, t("Keep and put on"));
  const cancel = h("button", { type: "button", class: "ghost" }, t("Cancel"));
  const working = h("p", { class: "quiet", role: "status" });
  const element = h(
    "form", { class: "consent-form" },
    h("fieldset", { class: "consent-grounds" }, h("legend", {}, t("Say why this face may be used:")), radios),
    h("div", { class: "consent-pair" },
      h("label", { class: "field" }, h("span", {}, t("Call it")), name),
      h("label", { class: "field" }, h("span", {}, t("Who says so")), by)),
    h("p", { class: "quiet" }, t("The photo stays on the daemon's machine, with this answer beside it.")),
    working, fault,
    h("div", { class: "row consent-buttons" }, cancel, send),
  );
  return {
    element, cancel,
    said: () => ({ name: name.value.trim(), by: by.value.trim(), consent: element.elements.ground.value }),
    busy(on) {
      send.disabled = on;
      write(working, on ? t("Looking for the face…") : "");
      if (on) fault.hidden = true;
    },
    fault(words, hint) {
      write(fault, [sentence(words), hint && t("Try: {hint}", { hint })].filter(Boolean).join("\n"));
      fault.hidden = false;
      send.focus();
    },
  };
}

// Plain words only, as the daemon wants names, and one that nobody has.
function freeName(studio, file) {
  const plain = file.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}]+/gu, " ").trim().slice(0, 40);
  const named = plain && !/^(img|dsc|pxl|image|photo|screenshot)\b/i.test(plain) && !/^[0-9a-f ]{12,}$/i.test(plain);
  const base = named ? plain.charAt(0).toUpperCase() + plain.slice(1) : t("Me");
  const taken = new Set((studio.identities?.identities ?? []).map((one) => one.name.toLowerCase()));
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base} ${n}`;
    if (!taken.has(name.toLowerCase())) return name;
  }
}

function tellQuality(studio, stored) {
  const { quality } = stored.shots.find((shot) => shot.best) ?? stored.shots[0];
  const faults = [
    quality.face_px < 128 && t("the face is small in it"),
    quality.sharpness < 0.15 && t("it is blurred"),
    quality.frontal < 0.5 && t("the head is turned away"),
    quality.light < 0.5 && t("the light is poor"),
  ].filter(Boolean);
  if (faults.length) studio.say(t("{name} is kept, but {faults}", { name: stored.name, faults: faults.join(", ") }), t("A sharper photo from the front, in even light, looks better."));
}
