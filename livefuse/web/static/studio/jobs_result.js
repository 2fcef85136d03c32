// What a job has written: a still, a look, a download. Players and downloads cannot show a token: a ticket stands in.

import { h } from "./dom.js";
import { title } from "./jobs_row.js";
import { t } from "./words.js";

const PICTURE = /\.(png|jpe?g|webp)$/i;
const stills = new Map();

export function thumb(studio) {
  return (job) => {
    const picture = h("img", { alt: "", width: 128, height: 72 });
    if (!stills.has(job.id)) stills.set(job.id, still(studio, job));
    stills.get(job.id).then((src) => (src ? (picture.src = src) : picture.replaceWith(h("span", { "aria-hidden": "true" }, "–"))));
    return picture;
  };
}

async function still(studio, job) {
  try {
    const answer = await studio.ask(`/api/jobs/${job.id}/preview`);
    return URL.createObjectURL(await answer.blob());
  } catch {
    return ""; // the file was moved, or is of a kind that shows no still
  }
}

async function address(studio, job) {
  const { ticket } = await studio.ask("/api/ticket", { method: "POST" });
  return `/api/jobs/${job.id}/result?ticket=${encodeURIComponent(ticket)}`;
}

export async function download(studio, job) {
  h("a", { href: await address(studio, job), download: job.output.split(/[\\/]/).pop() }).click();
}

export async function watch(studio, job) {
  const src = await address(studio, job);
  const shown = PICTURE.test(job.output) ? h("img", { src, alt: title(job) }) : h("video", { src, controls: true, autoplay: true, playsinline: true });
  return studio.dialog(title(job), h("div", { class: "job-result" }, shown, h("p", { class: "quiet breaking" }, t("On the daemon's machine: {path}", { path: job.output }))), []);
}
