// Presets in words.

import { t } from "./words.js";

export const PARTS = {
  look: [t("Look"), t("swapper, masks, colour, sharpening")],
  identity: [t("Face"), t("whose face is put on")],
  faces: [t("Finding faces"), t("detector, landmarks, which face")],
  source: [t("Source"), t("where the picture comes from")],
  outputs: [t("Outputs"), t("where the picture goes")],
  privacy: [t("Privacy"), t("what is shown when a face is not swapped")],
};

export const partName = (part) => PARTS[part]?.[0] ?? t("Other settings");

// What files and addresses can be called after: "Late show" -> "late-show"
export const slug = (words) => words.toLowerCase().normalize("NFKD").replace(/[^a-z0-9_]+/g, "-").replace(/^[-_]+|-+$/g, "").slice(0, 48);

const KEYS = {
  "swap.model": t("Swapper"), "swap.seam": t("Softness of the seam"), "swap.boost": t("Pixel boost"), "swap.colour": t("Follow the light"),
  "swap.morph": t("Morph"), "swap.keep_mouth": t("Keep the own mouth"), "swap.keep_eyes": t("Keep the own eyes"),
  "enhance.model": t("Sharpening"), "enhance.blend": t("Amount of sharpening"), "enhance.every": t("Sharpen every n-th frame"),
  "expression.model": t("Expression"), "colour.method": t("Colour"), "colour.amount": t("Amount of colour"),
  "mask.occlusion": t("What is in front"), "mask.areas": t("Parts of the face"), "mask.regions": t("Regions of the face"), "mask.matte": t("Cut out"),
  "identity.photo": t("Face"), "identity.consent": t("Consent"), "detect.model": t("Detector"), "detect.size": t("Size of the detector's picture"), "output.crf": t("Quality of files"), "align.model": t("Landmarks"), "track.faces": t("Which face"),
  "privacy.mode": t("Privacy"), "privacy.cover": t("Cover"), "overlay.enabled": t("Latency overlay"), "overlay.badge": t("Badge"),
  source: t("Source"), sinks: t("Outputs"), "profile.name": t("Profile"), "output.upscale": t("Enlarge"),
};

export const keyName = (key) => KEYS[key] ?? key;

export function valueWords(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return t("none");
  if (value === true) return t("on");
  if (value === false) return t("off");
  if (Array.isArray(value)) return value.map(valueWords).join(", ");
  return typeof value === "object" ? Object.entries(value).map(([name, one]) => `${name} ${valueWords(one)}`).join(", ") : String(value);
}

// A change that can be taken back, in a few words.
export function stepName(step) {
  if (step.what.startsWith("preset ")) return t("Preset {name}", { name: step.what.slice(7) });
  const names = step.keys.slice(0, 3).map(keyName);
  const more = step.keys.length - names.length;
  return names.join(", ") + (more > 0 ? t(" and {n} more", { n: more }) : "");
}
