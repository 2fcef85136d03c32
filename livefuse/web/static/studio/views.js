// The tabs: each a view that is loaded when it is first opened. The address says which: `#models`.

import { h } from "./dom.js";
import { t } from "./words.js";
import { key } from "./keys.js";

const MODULES = { models: "./models.js", jobs: "./jobs.js", presets: "./presets.js", connect: "./connect.js" };
const mounted = new Set(["live"]);

export function startViews(studio) {
  const names = ["live", ...Object.keys(MODULES)];
  const show = () => open(studio, names.includes(location.hash.slice(1)) ? location.hash.slice(1) : "live");
  addEventListener("hashchange", show);
  names.forEach((name, index) => {
    const link = document.querySelector(`.tabs a[href="#${name}"]`);
    key(`alt+${index + 1}`, t("Go to {view}", { view: link.textContent }), () => (location.hash = name));
  });
  show();
}

async function open(studio, name) {
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== `view-${name}`;
  const host = document.getElementById(`view-${name}`);
  document.body.dataset.view = name;
  if (mounted.has(name)) return;
  mounted.add(name);
  try {
    await mountInto(host.querySelector(".view-body"), MODULES[name], studio);
  } catch (error) {
    mounted.delete(name);
    throw error;
  }
}

// A part that fails is told in its own place; the others go on.
export async function mountInto(host, module, studio) {
  try {
    const { mount } = await import(module);
    host.replaceChildren();
    await mount(host, studio);
  } catch (error) {
    host.replaceChildren(h("p", { class: "fault" }, t("This part of the page did not start: {why}", { why: error.message })));
    console.error(error);
  }
}
