// Several people in one photo: which of them is meant.

import { h } from "./dom.js";
import { t } from "./words.js";

// The number of the chosen face, counted from the left; null for none. `faces`: x1 y1 x2 y2 in parts of the picture.
export async function chooseFace(studio, url, faces) {
  let chosen = null;
  const boxes = faces.map(([x1, y1, x2, y2], i) =>
    h("button", {
      type: "button", class: "which-face", "aria-label": t("Face {n} from the left", { n: i + 1 }), autofocus: i === 0,
      style: { left: `${x1 * 100}%`, top: `${y1 * 100}%`, width: `${(x2 - x1) * 100}%`, height: `${(y2 - y1) * 100}%` },
      onclick: () => {
        chosen = i;
        open.close();
      },
    }, h("span", { "aria-hidden": "true" }, String(i + 1))),
  );
  const open = studio.dialog(t("Several people: which one?"), h("div", { class: "which" }, h("img", { src: url, alt: "" }), boxes));
  await open;
  return chosen;
}
