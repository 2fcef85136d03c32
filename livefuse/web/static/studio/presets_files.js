// Presets as files: downloaded, and taken in.

import { h } from "./dom.js";
import { askName, replace } from "./presets_dialogs.js";
import { slug } from "./presets_words.js";
import { t } from "./words.js";

const MOST_BYTES = 65536;

export async function exported(studio, name, format) {
  const answer = await studio.ask(`/api/presets/${encodeURIComponent(name)}/export?format=${format}`);
  const text = answer instanceof Response ? await answer.text() : `${JSON.stringify(answer, null, 2)}\n`;
  const href = URL.createObjectURL(new Blob([text]));
  h("a", { href, download: `${name}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

// -> the new preset's name, or "" when it was given up
export async function imported(studio, file, taken) {
  if (file.size > MOST_BYTES) throw Object.assign(new Error(t("{name} is too large for a preset", { name: file.name })), { hint: t("64 kB at most") });
  const text = await file.text();
  const name = await askName(studio, t("Import a preset"), slug(nameIn(text) || file.name.replace(/\.\w+$/, "")), t("Import"));
  if (!name) return "";
  const overwrite = taken.includes(name);
  if (overwrite && !(await replace(studio, name))) return "";
  await studio.ask("/api/presets/import", { method: "POST", json: { text, name, overwrite } });
  return name;
}

function nameIn(text) {
  const [, said] = /^# livefuse preset: (.+)/.exec(text) ?? [];
  if (said) return said;
  try {
    return String(JSON.parse(text).name ?? "");
  } catch {
    return ""; // TOML, or nothing that the daemon will take
  }
}
