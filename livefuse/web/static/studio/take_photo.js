// A photo of whoever sits before this browser's camera. It is in this page's memory only, until its question is answered.

import { h, write } from "./dom.js";
import { openCamera, pageCamera, release } from "./page_camera.js";
import { t } from "./words.js";

const COUNT_S = 3;
const LOOK_MS = 400;
const [DARK, BRIGHT] = [55, 205]; // of 255, mean of the middle of the picture

// A JPEG blob, or null.
export async function takePhoto(studio) {
  const own = pageCamera.stream === null;
  let stream;
  try {
    stream = own ? await openCamera({ width: 1280, height: 720 }) : pageCamera.stream;
  } catch (error) {
    studio.fail(error);
    return null;
  }
  try {
    return await shown(studio, stream);
  } finally {
    if (own) release(stream);
  }
}

async function shown(studio, stream) {
  const parts = pictures(stream);
  const words = h("p", { class: "quiet photo-words", role: "status" }, t("Look straight into the camera."));
  const [shoot, now, again, use] = [
    h("button", { type: "button", class: "main", autofocus: true }, t("Take it in 3 seconds")),
    h("button", { type: "button" }, t("Now")),
    h("button", { type: "button", hidden: true }, t("Again")),
    h("button", { type: "button", class: "main", hidden: true }, t("Use this photo")),
  ];
  let [photo, taken, timer] = [null, null, 0];
  const look = setInterval(() => photo || timer || write(words, advice(parts.video)), LOOK_MS);
  const open = studio.dialog(t("Take a photo"), h("div", { class: "photo" }, h("div", { class: "photo-frame" }, parts.video, parts.still, parts.count), words, h("div", { class: "row photo-buttons" }, again, now, shoot, use)));

  const show = (having) => {
    for (const button of [shoot, now]) button.hidden = having;
    for (const button of [again, use]) button.hidden = !having;
    parts.still.hidden = !having;
    parts.video.hidden = having;
    (having ? use : shoot).focus();
  };
  const snap = async () => {
    timer = 0;
    write(parts.count, "");
    photo = await still(parts.video, parts.still);
    write(words, t("Is it sharp, from the front, and well lit?"));
    show(true);
  };
  const count = (left) => {
    write(parts.count, String(left));
    timer = setTimeout(() => (left > 1 ? count(left - 1) : snap()), 1000);
  };
  shoot.addEventListener("click", () => timer || count(COUNT_S));
  now.addEventListener("click", () => {
    clearTimeout(timer);
    snap();
  });
  again.addEventListener("click", () => {
    photo = null;
    show(false);
  });
  use.addEventListener("click", () => {
    taken = photo;
    open.close();
  });
  await open;
  clearInterval(look);
  clearTimeout(timer);
  parts.video.srcObject = null;
  return taken;
}

function pictures(stream) {
  const video = h("video", { class: "photo-mirror", muted: true, playsinline: "", autoplay: "", "aria-label": t("Your camera, mirrored") });
  video.srcObject = stream;
  video.play().catch(() => {}); // it plays by itself where it may
  return { video, still: h("canvas", { class: "photo-mirror", hidden: true, role: "img", "aria-label": t("The photo") }), count: h("output", { class: "photo-count", "aria-live": "assertive" }) };
}

function still(video, canvas) {
  [canvas.width, canvas.height] = [video.videoWidth || 640, video.videoHeight || 480];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
}

const small = document.createElement("canvas");
[small.width, small.height] = [32, 32];

function advice(video) {
  if (!video.videoWidth) return t("The camera starts…");
  const context = small.getContext("2d", { willReadFrequently: true });
  const side = video.videoHeight * 0.6;
  context.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, 32, 32);
  const { data } = context.getImageData(0, 0, 32, 32);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  const mean = sum / (data.length / 4);
  if (mean < DARK) return t("It is dark: turn towards a window or a lamp.");
  if (mean > BRIGHT) return t("It is too bright: turn away from the light.");
  return t("Look straight into the camera.");
}
