// A video or picture as the source: sent from here, or by its path on the daemon's machine.

import { bytes, fill, h, write } from "./dom.js";
import { bearer } from "../token.js";
import { t } from "./words.js";

const TAKEN = "video/*,image/png,image/jpeg,image/webp,.mkv,.ts,.flv";

// `act(url, settings)` has the session take it.
export function filePart(studio, act) {
  const loop = h("input", { type: "checkbox", checked: true, onchange: () => showing && act(showing, { live: { loop: loop.checked } }) });
  const use = (url) => act(url, { live: { loop: loop.checked } });
  const path = h("input", { type: "text", placeholder: "/home/me/clip.mp4", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": t("Path on the daemon's machine") });
  const files = h("ul", { class: "list src-files" });
  const progress = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("Sending the file") });
  const chooser = h("input", { type: "file", accept: TAKEN, hidden: true, onchange: () => chooser.files[0] && send(chooser.files[0]) });
  const drop = h("button", { type: "button", class: "src-drop", onclick: () => chooser.click() }, t("Choose a file, or drop one here"));
  const byPath = (event) => {
    event.preventDefault();
    if (path.value.trim()) use(path.value.trim());
  };
  const element = h(
    "div", { class: "src-file" },
    drop, chooser, progress, files,
    h("form", { class: "src-form", onsubmit: byPath }, path, h("button", { type: "submit" }, t("Use"))),
    h("label", { class: "switch" }, h("span", {}, t("Begin again when it ends")), loop),
  );
  let showing = "";
  dropsOnto(element, send);

  async function send(file) {
    chooser.value = "";
    drop.disabled = true;
    progress.hidden = false;
    try {
      const kept = await upload(file, (part) => (progress.value = part));
      await list();
      await use(kept.url);
    } catch (error) {
      studio.fail(error);
    } finally {
      drop.disabled = false;
      progress.hidden = true;
    }
  }

  async function list() {
    const told = await studio.ask("/api/uploads").catch(() => ({ uploads: [] })); // sending says what is wrong
    fill(files, told.uploads.map(row));
  }

  function row(one) {
    const remove = h("button", { type: "button", class: "ghost small", "aria-label": t("Remove {name}", { name: one.name }), onclick: () => studio.busy(remove, gone(one)) }, "✕");
    const choose = h("button", { type: "button", class: "src-one", "aria-pressed": String(one.url === showing), onclick: () => use(one.url) }, h("span", {}, one.name), h("span", { class: "quiet" }, bytes(one.bytes)));
    return h("li", { class: "row" }, choose, remove);
  }

  async function gone(one) {
    await studio.ask(`/api/uploads/${encodeURIComponent(one.name)}`, { method: "DELETE" });
    await list();
  }

  function show(source, looping) {
    if (source !== showing) {
      showing = source;
      if (source) list();
    }
    if (source) {
      loop.checked = looping;
      if (document.activeElement !== path) path.value = source;
    }
    write(drop, t("Choose a file, or drop one here"));
  }

  return { element, list, show };
}

export function dropsOnto(element, take) {
  const over = (on) => element.classList.toggle("drop-over", on);
  element.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    over(true);
  });
  element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || over(false));
  element.addEventListener("drop", (event) => {
    over(false);
    const file = event.dataTransfer.files[0];
    if (!file) return;
    event.preventDefault();
    take(file);
  });
}

// XMLHttpRequest: a fetch does not tell how much of its body has gone.
export function upload(file, progressed) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?title=${encodeURIComponent(file.name.slice(-200))}`);
    const headers = { ...bearer(), "Content-Type": /^(video|image)\//.test(file.type) ? file.type : "application/octet-stream" };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && progressed(event.loaded / event.total);
    request.onerror = () => failed(Object.assign(new Error(t("The file could not be sent")), { hint: t("Is the daemon still running?") }));
    request.onload = () => {
      const said = parsed(request.responseText);
      if (request.status === 201) return done(said);
      failed(Object.assign(new Error(said.detail || t("The file was not taken")), { hint: said.hint ?? "" }));
    };
    request.send(file);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
