// The bar below the picture: icons with words, each with its key.

import { fill, h, icon, write } from "./dom.js";
import { shown as keyName } from "./keys.js";
import { mountFigures } from "./stage_figures.js";
import { t } from "./words.js";

const ICONS = {
  panic: ["M12 3l8 3v5c0 5-3.4 8.6-8 10-4.6-1.4-8-5-8-10V6z", "M9 9l6 6m0-6l-6 6"],
  resume: ["M7 4.5l12 7.5-12 7.5z"],
  pause: ["M8 5v14M16 5v14"],
  overlay: ["M4 5h16v14H4z", "M7.5 15l3-4 2.5 2.5L16.5 9"],
  mirror: ["M12 3v18", "M9 7l-6 10h6zM15 7l6 10h-6z"],
  compare: ["M4 5h16v14H4z", "M12 3v18", "M15 9.5l2.5 2.5-2.5 2.5M9 9.5L6.5 12 9 14.5"],
  full: ["M4 9V4h5m6 0h5v5m0 6v5h-5m-6 0H4v-5"],
  loud: ["M4 9.5h3.5L12.5 5v14l-5-4.5H4z", "M16 9c1.6 1.7 1.6 4.3 0 6M18.5 6.5c3 3 3 8 0 11"],
  silent: ["M4 9.5h3.5L12.5 5v14l-5-4.5H4z", "M16.5 9.5l5 5m0-5l-5 5"],
  inside: ["M4 5h16v14H4z", "M12.5 12h5v4h-5z"],
  snapshot: ["M4 8h3.5L9 5.5h6L16.5 8H20v11H4z", "M12 10a3.2 3.2 0 1 0 .01 0z"],
  figures: ["M5 19v-6m4.7 6V5m4.6 14v-9m4.7 9v-4"],
};

export function mountBar(stage, studio) {
  const { host, bar, video, whep } = stage;
  const figures = mountFigures(stage, studio);
  const panic = control("panic", t("Panic"), () => stage.holdAs(stage.hold === "panic" ? "" : "panic"), { key: "p", class: "danger stage-panic", title: t("Private at once: everybody sees a slate") });
  const pause = control("pause", t("Pause"), () => togglePause(stage, studio), { key: " ", pressed: true });
  const overlay = control("overlay", t("Overlay"), () => toggleOverlay(studio), { key: "o", pressed: true, title: t("Figures drawn into the picture that leaves") });
  const mirror = control("mirror", t("Mirror"), () => toggleMirror(stage, mirror), { key: "m", pressed: true, title: t("Mirrors this preview only: what leaves stays as it is") });
  const compare = control("compare", t("Compare"), () => stage.compare.toggle(), { key: "w", pressed: true, title: t("The camera beside the swap: only here, only for you") });
  const full = control("full", t("Full screen"), () => toggleFull(host, video), { key: "f", pressed: true });
  const sound = control("silent", t("Sound"), () => toggleSound(video), { pressed: true, title: t("Sound of this preview") });
  const inside = control("inside", t("Picture in picture"), () => toggleInside(video, studio), { pressed: true });
  const snapshot = control("snapshot", t("Snapshot"), () => save(video, studio), { title: t("Save this picture as a PNG file") });
  const statistics = control("figures", t("Statistics"), () => press(statistics, figures.toggle()), { key: "s", pressed: true, title: t("Figures of this browser's connection") });
  inside.hidden = !document.pictureInPictureEnabled;
  full.hidden = !(host.requestFullscreen || video.webkitEnterFullscreen);
  fill(bar, h("div", { class: "stage-group" }, panic, pause), h("div", { class: "stage-group" }, compare, overlay, mirror), h("div", { class: "stage-group" }, sound, snapshot, statistics, inside, full));

  for (const one of [panic, pause, overlay, mirror, compare, full, statistics]) studio.key(one.dataset.key, one.dataset.label, () => one.disabled || one.click());

  host.addEventListener("shown", () => {
    const { hold } = stage;
    relabel(panic, hold === "panic" ? "resume" : "panic", hold === "panic" ? t("Resume") : t("Panic"));
    relabel(pause, hold === "pause" ? "resume" : "pause", hold === "pause" ? t("Resume") : t("Pause"));
    panic.classList.toggle("danger", hold !== "panic");
    panic.classList.toggle("main", hold === "panic");
    press(pause, hold === "pause");
    pause.disabled = hold === "panic";
    snapshot.disabled = inside.disabled = !whep.stream;
    sound.hidden = !whep.stream?.getAudioTracks().length;
  });
  studio.on("config", (config) => press(overlay, Boolean(config.overlay?.enabled)));
  stage.compare.onchange = () => press(compare, stage.compare.on);
  video.addEventListener("volumechange", () => {
    relabel(sound, video.muted ? "silent" : "loud", t("Sound"));
    press(sound, !video.muted);
  });
  document.addEventListener("fullscreenchange", () => press(full, document.fullscreenElement === host));
  for (const kind of ["enterpictureinpicture", "leavepictureinpicture"]) {
    video.addEventListener(kind, () => press(inside, kind === "enterpictureinpicture"));
  }
  video.addEventListener("dblclick", () => toggleFull(host, video));
}

function control(drawing, label, act, { key, title = "", pressed = false, ...rest } = {}) {
  const tip = [title || label, key && `(${keyName(key)})`].filter(Boolean).join(" ");
  const shortcut = key === " " ? "Space" : key;
  const button = h("button", { type: "button", onclick: act, title: tip, "aria-keyshortcuts": shortcut, "aria-pressed": pressed ? "false" : undefined, dataset: { key: key ?? "", label }, ...rest }, icon(...ICONS[drawing]), h("span", {}, label));
  return button;
}

function press(button, on) {
  button.setAttribute("aria-pressed", String(Boolean(on)));
}

function relabel(button, drawing, label) {
  const said = button.lastElementChild;
  if (button.dataset.drawing === drawing && said.textContent === label) return;
  button.dataset.drawing = drawing;
  button.firstElementChild.replaceWith(icon(...ICONS[drawing]));
  write(said, label);
}

function togglePause(stage, studio) {
  if (stage.hold === "panic") studio.say(t("Private: press P to go on"));
  else stage.holdAs(stage.hold === "pause" ? "" : "pause");
}

function toggleOverlay(studio) {
  return studio.change({ overlay: { enabled: !studio.config?.overlay?.enabled } });
}

function toggleMirror(stage, button) {
  stage.mirrored = !stage.mirrored;
  stage.video.classList.toggle("mirrored", stage.mirrored);
  stage.compare.redraw();
  press(button, stage.mirrored);
}

function toggleSound(video) {
  video.muted = !video.muted;
}

function toggleFull(host, video) {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (host.requestFullscreen) host.requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.(); // iPhone: only the video itself
}

function toggleInside(video, studio) {
  const asked = document.pictureInPictureElement ? document.exitPictureInPicture() : video.requestPictureInPicture();
  return asked.catch((error) => studio.fail(error));
}

// The picture that leaves, never the camera's: a comparison is not saved.
async function save(video, studio) {
  const canvas = h("canvas", {});
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  const picture = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!picture) return studio.fail(new Error(t("This browser could not save the picture")));
  const link = h("a", { href: URL.createObjectURL(picture), download: `livefuse-${studio.session}-${stamp(new Date())}.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  return studio.say(t("Saved {file}", { file: link.download }));
}

function stamp(now) {
  const local = new Date(now.getTime() - now.getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "");
}
