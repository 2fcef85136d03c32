// What the kinds of models are for, in words; in the order in which people look for them.

import { t } from "./words.js";

export const KINDS = {
  swapper: [t("Swap the face"), t("Puts the face on. The mesh needs none of these; they look more real.")],
  enhancer: [t("Sharpen"), t("Restores detail of the swapped face.")],
  expression: [t("Keep the expression"), t("Gives the swapped face your own expression back.")],
  detector: [t("Find faces"), t("Finds the faces in a picture.")],
  landmarker: [t("Place landmarks"), t("Finds eyes, nose and mouth of a face.")],
  occluder: [t("See what is in front"), t("Keeps hands and microphones in front of the swapped face.")],
  parser: [t("Tell the parts apart"), t("Knows skin, eyes and mouth, to swap some and keep others.")],
  matte: [t("Cut out the person"), t("Tells you from the background.")],
  upscaler: [t("Enlarge"), t("Makes whole pictures larger: for files more than for live.")],
  recogniser: [t("Tell people apart"), t("Knows whose face it is. Swappers bring the ones they need.")],
  converter: [t("Translate identities"), t("Turns one recogniser's numbers into another's.")],
};

export const kindName = (kind) => KINDS[kind]?.[0] ?? kind;

const NO_COMMERCE = /non-commercial/i;
export const licenceName = (model) => model.licence.replace(/\s*\(?non-commercial\)?/i, "").trim() || t("Own terms");
export const saysSo = (model) => model.non_commercial || NO_COMMERCE.test(model.licence);
