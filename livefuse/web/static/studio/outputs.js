// The panel of what leaves: recordings with one button, streams to a service, and every output with its figures.

import { bytes, copyable, duration, fill, h, icon, write } from "./dom.js";
import { streamForm } from "./outputs_stream.js";
import { number, t, when } from "./words.js";

const LOOK_MS = 1000;
const LITTLE_BYTES = 2e9;
const SHOWN = 3;
const CAMERA = /^(vcam|pipewire|obs):/;

export function mount(host, studio) {
  const note = host.closest(".panel")?.querySelector(".panel-note");
  const record = recorder(studio, () => look(true));
  const running = h("ul", { class: "list out-running", "aria-label": t("Running outputs") });
  const stream = streamForm(studio, () => studio.refresh("sinks"));
  const kept = keptList(studio, () => look(true));
  host.append(record.element, running, stream, kept.element);

  let told = null;
  async function look(now = false) {
    if (document.hidden && !now) return;
    told = await studio.ask("/api/recordings").catch(() => null);
    if (told) show();
  }
  function show() {
    const ours = told?.recordings.filter((one) => one.session === studio.session) ?? [];
    record.show(ours[0], told, studio.summary);
    kept.show(told);
    const names = new Set(ours.map((one) => one.id));
    const sinks = (studio.sinks ?? []).filter((sink) => !CAMERA.test(sink.url) && sink.url !== "null:" && !names.has(fileName(sink.url)) && !names.has(sink.name.replace(/^file:/, "")));
    drawSinks(running, sinks, studio);
    const live = sinks.filter((sink) => !sink.error).length;
    if (note) write(note, [ours.some((one) => one.state === "recording") && t("Recording"), live && t("{n} running", { n: live })].filter(Boolean).join(" · "));
  }
  let names = "";
  studio.on("sinks", (sinks) => {
    const now = (sinks ?? []).map((sink) => sink.name).join();
    if (now === names) return show();
    names = now; // somebody else may have begun a recording, or ended one
    look(true);
  });
  studio.on("summary", () => told && show());
  studio.on("session", () => look(true));
  setInterval(() => {
    const busy = told?.recordings.some((one) => one.seconds !== null);
    if (busy) look();
    if (!document.hidden && running.childElementCount) studio.refresh("sinks");
  }, LOOK_MS);
  studio.on("online", () => look(true));
  return look(true);
}

const fileName = (url) => (url.startsWith("file:") ? url.split("/").pop().split("?")[0] : null);

// --- recording -----------------------------------------------------------------------------------------------------

function recorder(studio, changed) {
  const dot = h("span", { class: "out-dot", "aria-hidden": "true" });
  const words = h("span", {}, t("Record"));
  const button = h("button", { type: "button", class: "out-record", "aria-pressed": "false" }, dot, words);
  const figures = h("p", { class: "out-figures quiet" });
  const fault = h("p", { class: "fault", role: "status", hidden: true });
  const element = h("div", { class: "out-recorder" }, h("div", { class: "row" }, button, figures), fault);
  let on = false;
  const toggle = async () => {
    const stopped = on;
    const answer = await studio.ask(studio.path("/record"), { method: on ? "DELETE" : "POST", signal: AbortSignal.timeout(30000) });
    if (stopped) studio.say(answer.recording ? t("Saved: {name}", { name: answer.recording.id }) : t("Nothing had been recorded yet"));
    await changed();
  };
  button.addEventListener("click", () => studio.busy(button, toggle()));
  studio.key?.("r", t("Start or stop recording"), () => button.click());
  return {
    element,
    show(recording, told, summary) {
      on = !!recording;
      element.classList.toggle("on", recording?.state === "recording");
      button.setAttribute("aria-pressed", String(on));
      write(words, on ? t("Stop recording") : t("Record"));
      const free = told ? t("{size} free", { size: bytes(told.free_bytes) }) : "";
      write(figures, recording ? `${duration(recording.seconds)} · ${bytes(recording.bytes)}` : free);
      figures.classList.toggle("little", !!told && told.free_bytes < LITTLE_BYTES);
      const why = recording?.error || (on ? "" : told?.ended[studio.session]) || "";
      fault.hidden = !why;
      write(fault, why);
      if (!button.hasAttribute("aria-busy")) button.disabled = !on && summary?.state !== "running";
    },
  };
}

// --- what has been recorded ----------------------------------------------------------------------------------------

function keptList(studio, changed) {
  const list = h("ul", { class: "list out-kept" });
  const count = h("span", {});
  const where = h("div", { class: "out-where" });
  const element = h("details", { class: "out-recordings", hidden: true }, h("summary", {}, count), list, where);
  let [shown, all] = ["", false];
  function show(told) {
    const done = told?.recordings.filter((one) => one.seconds === null) ?? [];
    element.hidden = !done.length;
    const state = JSON.stringify([done.map((one) => [one.id, one.bytes, one.state]), told?.folder, all]);
    if (state === shown) return;
    shown = state;
    write(count, done.length === 1 ? t("1 recording") : t("{n} recordings", { n: done.length }));
    if (!done.length) return;
    const rest = done.length - SHOWN;
    const more = rest > 0 && !all && h("li", {}, h("button", { type: "button", class: "ghost small", onclick: () => ((all = true), show(told)) }, t("Show {n} more", { n: rest })));
    fill(list, (all ? done : done.slice(0, SHOWN)).map((one) => kept(one, studio, changed)), more);
    fill(where, h("span", { class: "quiet" }, t("On the daemon's machine:")), copyable(told.folder, t("Folder of recordings")));
  }
  return { element, show };
}

function kept(one, studio, changed) {
  const save = h("button", { type: "button", class: "small", "aria-label": t("Download: {what}", { what: one.id }), onclick: () => studio.busy(save, download(one, studio)) }, t("Download"));
  const remove = h("button", { type: "button", class: "ghost small", "aria-label": t("Delete: {what}", { what: one.id }), onclick: () => studio.busy(remove, discard(one, studio).then(changed)) }, t("Delete"));
  const cut = one.state === "cut off" && h("span", { class: "badge warn", title: t("The daemon ended while this was recorded; it can be played up to there") }, t("Cut off"));
  return h("li", { class: "out-file" }, h("span", { class: "out-what", title: one.id }, h("span", {}, when(one.at)), h("span", { class: "quiet" }, bytes(one.bytes)), cut), save, remove);
}

// A link cannot carry the token: it carries a ticket, which ends soon. So the browser saves the file itself, however large.
async function download(one, studio) {
  const { ticket } = await studio.ask("/api/ticket", { method: "POST" });
  h("a", { href: `/api/recordings/${encodeURIComponent(one.id)}?ticket=${encodeURIComponent(ticket)}`, download: one.id }).click();
}

async function discard(one, studio) {
  const words = t("{name} is deleted from the disk, for good.", { name: one.id });
  if (await studio.confirm({ title: t("Delete this recording?"), words, yes: t("Delete"), danger: true })) {
    await studio.ask(`/api/recordings/${encodeURIComponent(one.id)}`, { method: "DELETE" });
  }
}

// --- running outputs -----------------------------------------------------------------------------------------------

const before = new Map();

function drawSinks(list, sinks, studio) {
  const rows = new Map([...list.children].map((row) => [row.dataset.sink, row]));
  for (const sink of sinks) {
    const row = rows.get(sink.name) ?? sinkRow(sink, studio);
    rows.delete(sink.name);
    if (!row.isConnected) list.append(row);
    describe(row, sink, studio);
  }
  for (const row of rows.values()) row.remove();
  list.hidden = !sinks.length;
}

function sinkRow(sink, studio) {
  const stop = h("button", { type: "button", class: "small", "aria-label": t("Stop: {what}", { what: sink.name }) }, t("Stop"));
  const end = async () => {
    await studio.ask(studio.path(`/sinks/${encodeURIComponent(sink.name)}`), { method: "DELETE", signal: AbortSignal.timeout(30000) });
    await studio.refresh("sinks");
  };
  stop.addEventListener("click", () => studio.busy(stop, end()));
  return h(
    "li",
    { class: "out-sink", dataset: { sink: sink.name } },
    h("span", { class: "dot", "aria-hidden": "true" }),
    h("span", { class: "out-text" }, h("strong", {}, titleOf(sink)), h("span", { class: "quiet out-url" }, sink.url), h("span", { class: "quiet out-counts" }), h("span", { class: "out-error" })),
    stop,
  );
}

const KINDS = () => ({ rtmp: t("Stream"), rtmps: t("Stream"), rtsp: t("Stream"), srt: t("Stream"), udp: t("Stream"), whip: t("Stream"), file: t("File") });

function titleOf(sink) {
  if (/(^|\/\/|\.)live\.twitch\.tv|contribute\.live-video\.net/.test(sink.url)) return t("Twitch");
  if (/youtube\.com/.test(sink.url)) return t("YouTube");
  return KINDS()[sink.url.split(":")[0]] ?? t("Output");
}

// A stream that was lost is tried again by the daemon: it is seen by its frames standing still.
function describe(row, sink, studio) {
  const last = before.get(sink.name) ?? { frames: -1, moved: performance.now() };
  const moved = sink.frames === last.frames ? last.moved : performance.now();
  before.set(sink.name, { frames: sink.frames, moved });
  const stuck = studio.summary?.state === "running" && !studio.summary.hold && performance.now() - moved > 4000;
  row.dataset.state = sink.error ? "failed" : stuck ? "reconnecting" : "running";
  const counts = t("{n} frames", { n: number(sink.frames) }) + (sink.dropped ? ` · ${t("{n} dropped", { n: number(sink.dropped) })}` : "");
  write(row.querySelector(".out-counts"), stuck && !sink.error ? t("Takes no pictures now; the daemon tries again") : counts);
  write(row.querySelector(".out-error"), sink.error);
}
