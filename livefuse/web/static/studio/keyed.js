// A list whose parts are made anew only when what they show has changed; who had the focus keeps it.

import { h } from "./dom.js";

export class Keyed {
  // `make(item)` -> element; buttons in it that carry `data-act` get the focus back.
  constructor(host, make) {
    Object.assign(this, { host, make, parts: new Map() });
  }

  // `items`: [[key, item]]; `also` is whatever else the parts depend on.
  show(items, also = "") {
    const here = new Set();
    const elements = items.map(([key, item]) => {
      here.add(key);
      const said = JSON.stringify([item, also]);
      const known = this.parts.get(key);
      if (known?.said === said) return known.element;
      const element = this.make(item);
      if (known) this.#replace(known.element, element);
      this.parts.set(key, { said, element });
      return element;
    });
    for (const key of [...this.parts.keys()]) if (!here.has(key)) this.#drop(key);
    elements.forEach((element, index) => {
      const there = this.host.children[index];
      if (there !== element) this.host.insertBefore(element, there ?? null);
    });
  }

  #replace(before, after) {
    const act = before.contains(document.activeElement) ? (document.activeElement.dataset.act ?? "") : null;
    before.replaceWith(after);
    if (act === null) return;
    const again = after.querySelector(`[data-act="${CSS.escape(act)}"]:not(:disabled)`) ?? after.querySelector("button:not(:disabled)");
    again?.focus();
  }

  #drop(key) {
    this.parts.get(key).element.remove();
    this.parts.delete(key);
  }
}

// A bar that says how far something is, and that it goes on where nobody knows.
export function bar(done, total, label) {
  const share = total ? Math.min(1, done / total) : null;
  const inner = h("span", { style: { width: share === null ? "30%" : `${(share * 100).toFixed(1)}%` } });
  const props = { class: share === null ? "meter unknown" : "meter", role: "progressbar", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" };
  if (share !== null) props["aria-valuenow"] = String(Math.round(share * 100));
  return h("div", props, inner);
}
