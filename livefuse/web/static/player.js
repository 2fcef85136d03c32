// The player of one session: `/NAME`. `?clean=1` leaves nothing but the picture, for an OBS browser source.

import { drawGaps, figures, pipelineFigures, reading, writeRows } from "./figures.js";
import { ask } from "./peer.js";
import { keep } from "./token.js";
import { Whep } from "./whep.js";

const IDLE_MS = 2500;
const CLEAR_AFTER_MS = 3000; // a clean page shows nothing, rather than a picture that stands still for longer
const GAPS_KEPT = 120;
const FAULT_EVERY_MS = 3000;

const said = new URLSearchParams(location.search);
const flag = (name, usual) => (said.has(name) ? !["0", "false", "no"].includes(said.get(name)) : usual);
const at = (id) => document.getElementById(id);
const base = location.pathname.replace(/\/+$/, "");
const name = decodeURIComponent(base.split("/").pop());
const clean = flag("clean", false);

const [video, root] = [at("video"), document.documentElement];
const whep = new Whep(`${base}/whep`);
const words = { idle: "Stopped", connecting: "Connecting", live: "Live", waiting: "Waiting", reconnecting: "Reconnecting", refused: "Not allowed" };

document.title = `${name} · livefuse`;
document.body.classList.add(clean ? "clean" : "framed");
document.body.classList.toggle("mirror", flag("mirror", false));

// --- the picture ---------------------------------------------------------------------------------------------------

whep.addEventListener("stream", () => {
  video.srcObject = whep.stream;
  at("mute").hidden = whep.stream.getAudioTracks().length === 0;
  play(flag("muted", true));
});

whep.addEventListener("state", () => {
  root.dataset.state = at("status").dataset.state = whep.state;
  at("words").textContent = [words[whep.state], whep.reason].filter(Boolean).join(": ");
  const failing = whep.reason !== "" && whep.state !== "waiting";
  at("notice").classList.remove("low");
  at("notice").hidden = clean || !failing || !(whep.hint || whep.state === "refused");
  at("reason").textContent = whep.reason;
  at("hint").textContent = whep.hint;
  at("token-form").hidden = whep.state !== "refused";
  if (whep.state === "refused" && !clean) at("token").focus();
  clearTimeout(clearing);
  if (whep.state === "live") document.body.classList.add("shown");
  else clearing = setTimeout(() => document.body.classList.remove("shown"), CLEAR_AFTER_MS);
});
let clearing;

// The slate says that something is wrong; this says what.
async function tellFault() {
  if (document.hidden || whep.state !== "live") return;
  const session = await ask(`/api/sessions/${encodeURIComponent(name)}`).then((r) => r.json()).catch(() => null);
  if (whep.state !== "live" || !session) return;
  const error = session.error;
  at("status").dataset.state = error ? "failed" : "live";
  at("words").textContent = error ? "Interrupted" : words.live;
  at("notice").hidden = !error;
  at("notice").classList.toggle("low", Boolean(error)); // below what the slate says
  at("reason").textContent = error?.message ?? "";
  at("hint").textContent = error?.hint ?? "";
}
if (!clean) setInterval(tellFault, FAULT_EVERY_MS);

// Browsers play without a gesture only what is silent.
async function play(muted) {
  video.muted = userMuted ?? muted;
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError") return; // replaced by the next stream
    video.muted = true;
    await video.play().catch(() => {});
  }
  showMuted();
}
let userMuted; // what the user said, which outlives a reconnection

function showMuted() {
  at("mute").setAttribute("aria-pressed", String(video.muted));
  at("mute").setAttribute("aria-label", video.muted ? "Muted" : "Sound on");
}

function toggleMuted() {
  userMuted = !video.muted;
  video.muted = userMuted;
  showMuted();
}

// --- full screen, statistics, keys ---------------------------------------------------------------------------------

function toggleFull() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (root.requestFullscreen) at("stage").requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen?.(); // iPhone: only the video itself
}

let [before, measuring] = [null, 0];
const gaps = [];

function toggleFigures() {
  const open = at("figures").hidden;
  at("figures").hidden = !open;
  at("show-figures").setAttribute("aria-expanded", String(open));
  clearInterval(measuring);
  before = null;
  if (!open) return;
  measure();
  measuring = setInterval(measure, 1000);
  watchGaps();
}

async function measure() {
  const rows = {};
  if (whep.connection) {
    const now = await reading(whep.connection);
    Object.assign(rows, figures(now, before));
    before = now;
  }
  const record = await ask(`/api/sessions/${encodeURIComponent(name)}/stats`).then((r) => r.json()).catch(() => null);
  Object.assign(rows, pipelineFigures(record));
  writeRows(at("numbers"), rows);
  drawGaps(at("gaps"), gaps);
}

let watching = false;
function watchGaps() {
  if (watching || !video.requestVideoFrameCallback) return;
  watching = true;
  let last = 0;
  const shown = (now) => {
    if (last) gaps.push(now - last);
    if (gaps.length > GAPS_KEPT) gaps.shift();
    last = now;
    watching = !at("figures").hidden;
    if (watching) video.requestVideoFrameCallback(shown);
  };
  video.requestVideoFrameCallback(shown);
}

const keys = { m: toggleMuted, s: toggleFigures, f: toggleFull };
addEventListener("keydown", (event) => {
  if (clean || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input")) return;
  keys[event.key.toLowerCase()]?.();
});

let idling;
function awake() {
  document.body.classList.remove("idle");
  clearTimeout(idling);
  idling = setTimeout(() => document.body.classList.add("idle"), IDLE_MS);
}

if (!clean) {
  at("mute").addEventListener("click", toggleMuted);
  at("show-figures").addEventListener("click", toggleFigures);
  at("full").addEventListener("click", toggleFull);
  video.addEventListener("click", () => at("mute").hidden || toggleMuted());
  video.addEventListener("dblclick", toggleFull);
  document.addEventListener("fullscreenchange", () =>
    at("full").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement))),
  );
  for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) addEventListener(kind, awake);
  awake();
}

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(at("token").value);
  at("token").value = "";
  whep.again();
});

// --- the page comes and goes ---------------------------------------------------------------------------------------

addEventListener("pagehide", () => whep.stop());
addEventListener("pageshow", (event) => event.persisted && whep.start());
addEventListener("online", () => whep.again());

globalThis.livefuse = { whep, video }; // for the console, and for benches
whep.start();
