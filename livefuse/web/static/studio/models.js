import { h } from "./dom.js";
import { t } from "./words.js";

export function mount(host) {
  host.append(h("p", { class: "quiet" }, t("Loading…")));
}
