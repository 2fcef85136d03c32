// Shift and a number apply the preset that has it; wherever one is on the page.

import { key } from "./keys.js";
import { t } from "./words.js";

let bound = [];

export async function bindPresets(studio) {
  try {
    const { cards } = await studio.ask("/api/presets");
    bind(studio, cards);
  } catch {
    bind(studio, []); // without the token there are none
  }
}

export function bind(studio, cards) {
  bound.forEach((off) => off());
  bound = cards
    .filter((card) => card.number)
    .sort((a, b) => a.number - b.number)
    .map((card) => key(`shift+${card.number}`, t("Apply the preset {name}", { name: card.name }), () => apply(studio, card.name)));
}

export async function apply(studio, name) {
  try {
    const came = await studio.ask(studio.path(`/preset/${encodeURIComponent(name)}`), { method: "POST" });
    studio.say(t("The preset {name} is applied", { name }), came.restarted ? t("The session began anew for it. Ctrl+Z takes it back.") : t("Ctrl+Z takes it back."));
  } catch (error) {
    studio.fail(error);
  }
  return studio.refresh("config");
}
