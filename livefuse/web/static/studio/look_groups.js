// What the Look panel shows, in which order and words. Ranges, defaults and descriptions are the daemon's own.

import { t } from "./words.js";

const learned = (config) => config.swap.model !== "mesh";
const profile = (name) => (config) => config.profile.name === name;
const AREAS = () => ({ "upper-face": t("Upper face"), "lower-face": t("Lower face"), mouth: t("Mouth") });

// `stage`: whose time the group's note shows. `when`: what has to hold for a setting to make a difference; else it is hidden.
// `cannot`: why it cannot be used, in words.
export function groups() {
  return [
    {
      id: "swap", title: t("Swap"), stage: "swap", open: true,
      items: [
        { key: "swap.model", label: t("Swapper"), models: "swapper", own: [{ value: "mesh", label: t("Drawn mesh"), hint: t("Needs no model") }] },
        { key: "swap.boost", label: t("Pixel boost"), unit: "×", when: learned },
        { key: "swap.morph", label: t("Strength"), when: (config, model) => model?.name === "dfm" || /\.dfm$/.test(config.swap.model) },
        { key: "profile.name", label: t("Blended like"), when: learned, options: { livefuse: "livefuse", insightface: "InsightFace", facefusion: "FaceFusion", "deep-live-cam": "Deep-Live-Cam" }, as: "select" },
        { key: "profile.opacity", label: t("Strength"), when: profile("deep-live-cam") },
        { key: "profile.sharpness", label: t("Sharpness"), when: profile("deep-live-cam") },
        { key: "profile.mask_blur", label: t("Softness of the box"), when: profile("facefusion") },
        { key: "swap.fade_frames", label: t("Fade in and out"), unit: t("frames") },
      ],
    },
    {
      id: "mask", title: t("Mask and hands"), stage: "mask",
      items: [
        { key: "mask.occlusion", label: t("Hands and things in front"), models: "occluder", list: true, own: [{ value: ["auto"], label: t("Estimated"), hint: t("Needs no model") }, { value: [], label: t("Off"), hint: t("The swap covers hands") }] },
        { key: "swap.seam", label: t("Soft edge") },
        { key: "mask.steady", label: t("Steady edge") },
        { key: "swap.keep_mouth", label: t("Inside of the mouth"), values: [[null, t("Auto")], [true, t("Mine")], [false, t("Swapped")]] },
        { key: "swap.keep_eyes", label: t("Keep my own eyes") },
        { key: "mask.areas", label: t("Swap only"), options: AREAS(), cannot: (config) => config.privacy.mode === "closed" && t("Closed privacy covers the whole real face") },
      ],
    },
    {
      id: "colour", title: t("Colour and light"), stage: "colour",
      items: [
        { key: "colour.method", label: t("Match my light"), as: "select", options: { auto: t("Automatic"), none: t("Off"), lab: t("Tone"), histogram: t("All colours"), relight: t("Shading") } },
        { key: "colour.amount", label: t("How much") },
        { key: "swap.colour", label: t("Colour of the mesh"), when: (config) => !learned(config) },
        { key: "colour.seam", label: t("At the edge") },
        { key: "colour.seconds", label: t("Follows within"), unit: "s" },
      ],
    },
    {
      id: "enhance", title: t("Enhance"), stage: "enhance",
      items: [
        { key: "enhance.model", label: t("Enhancer"), models: "enhancer", own: [{ value: "", label: t("Off") }] },
        { key: "enhance.blend", label: t("How much"), when: (config) => config.enhance.model },
        { key: "enhance.fidelity", label: t("True to the face"), when: (config) => config.enhance.model.startsWith("codeformer") },
        { key: "enhance.every", label: t("Every so many frames"), when: (config) => config.enhance.model },
      ],
    },
    {
      id: "expression", title: t("Expression"), stage: "expression",
      items: [
        { key: "expression.model", label: t("Give my expression back"), models: "expression", only: /generator/, own: [{ value: "", label: t("Off") }] },
        { key: "expression.amount", label: t("How much"), unit: "%", when: (config) => config.expression.model },
        { key: "expression.areas", label: t("Where"), options: AREAS(), when: (config) => config.expression.model },
      ],
    },
    {
      id: "privacy", title: t("Privacy"),
      items: [
        { key: "privacy.mode", label: t("When a face is not swapped"), values: [["closed", t("Cover it")], ["open", t("Show it")]], risky: "open" },
        { key: "privacy.cover", label: t("Covered by"), values: [["blur", t("Blur")], ["hold", t("Last picture")], ["slate", t("Slate")]] },
      ],
    },
    {
      id: "quality", title: t("Quality and speed"), stage: "detect",
      items: [
        { key: "adaptive.enabled", label: t("Lower quality to stay fluent"), lowered: true },
        { key: "detect.size", label: t("Detail of face finding"), unit: "px" },
        { key: "detect.every", label: t("Find faces every"), unit: t("frames") },
        { key: "track.smooth", label: t("Smooth movement") },
      ],
    },
    {
      id: "who", title: t("Who is swapped"),
      items: [
        { key: "track.faces", label: t("Which faces"), as: "select", options: { one: t("One, kept"), all: t("Everybody"), largest: t("The largest"), centre: t("Nearest the centre"), index: t("Counted from the left") } },
        { key: "track.index", label: t("Which, from the left"), most: 8, when: (config) => config.track.faces === "index" },
        { key: "track.most", label: t("At most"), when: (config) => config.track.faces === "all" },
      ],
    },
    {
      id: "overlay", title: t("Overlay and badge"),
      items: [
        { key: "overlay.enabled", label: t("Show figures in the picture") },
        { key: "overlay.badge", label: t("Show the “synthetic” badge") },
      ],
    },
  ];
}
