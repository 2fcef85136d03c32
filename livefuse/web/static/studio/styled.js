// A panel brings its own styles: linked once, when it is first opened.

import { h } from "./dom.js";

export function styled(name) {
  const href = `/static/studio/${name}.css`;
  if (document.querySelector(`link[href="${href}"]`)) return;
  document.head.append(h("link", { rel: "stylesheet", href }));
}
