// What runs here: `/sessions`. Every session with its state and the addresses that other programs want.

import { ask } from "./peer.js";
import { carrying, keep } from "./token.js";

const EVERY_MS = 2000;
// Elsewhere watching needs the token, and an OBS source cannot ask for it: it is copied along, and never shown.
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const at = (id) => document.getElementById(id);
const cards = new Map();

function say(words = "", hint = "") {
  at("problem").hidden = !words;
  if (at("problem-words").textContent !== words) at("problem-words").textContent = words;
  at("problem-hint").textContent = hint;
}

// All text goes through textContent: names and errors come from outside.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function newCard(name) {
  const card = at("card").content.firstElementChild.cloneNode(true);
  const path = `/${encodeURIComponent(name)}`;
  const title = card.querySelector("h2");
  title.textContent = name;
  title.id = `session-${name}`;
  card.setAttribute("aria-labelledby", title.id);
  for (const [kind, target] of [["watch", path], ["publish", `${path}/publish`]]) {
    const link = card.querySelector(`.${kind}`);
    link.href = target;
    link.addEventListener("click", () => (link.href = carrying(target)));
    link.setAttribute("aria-label", `${link.textContent}: ${name}`);
  }
  const addresses = { clean: `${path}?clean=1`, whep: `${path}/whep`, whip: `${path}/whip` };
  for (const [kind, target] of Object.entries(addresses)) {
    const code = card.querySelector(`code.${kind}`);
    code.textContent = location.origin + target;
    const button = code.closest("div").querySelector("button");
    button.setAttribute("aria-label", `Copy: ${code.closest("div").querySelector("dt").textContent} of ${name}`);
    const carried = () => location.origin + (kind === "clean" && !LOOPBACK ? carrying(target) : target);
    button.addEventListener("click", () => copy(button, code, carried()));
  }
  at("sessions").append(card);
  return card;
}

async function copy(button, code, address) {
  try {
    await navigator.clipboard.writeText(address);
  } catch {
    getSelection().selectAllChildren(code); // no clipboard without HTTPS: select it for the user
    at("said").textContent = "Selected: press Ctrl+C to copy.";
    return;
  }
  at("said").textContent = `Copied ${code.textContent}`;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

function facts(session) {
  const said = [];
  if (session.source) said.push(String(session.source));
  if (typeof session.identity === "string" && session.identity) said.push(`as ${session.identity}`);
  if (typeof session.fps === "number" && session.fps > 0) said.push(`${session.fps.toFixed(0)} fps`);
  if (session.latency_ms?.p50 > 0) said.push(`p50 ${session.latency_ms.p50.toFixed(1)} ms`);
  if (typeof session.viewers === "number") said.push(session.viewers === 1 ? "1 viewer" : `${session.viewers} viewers`);
  if (session.publisher === true) said.push("a camera publishes");
  return said.join("  ·  ");
}

function show(session) {
  if (!cards.has(session.name)) cards.set(session.name, newCard(session.name));
  const card = cards.get(session.name);
  const state = card.querySelector(".state");
  state.dataset.state = session.state ?? "";
  write(state.querySelector(".words"), String(session.state ?? "unknown"));
  write(card.querySelector(".facts"), facts(session));
  const fault = card.querySelector(".fault");
  const error = session.error;
  const words = error ? [error.message, error.hint && `Try: ${error.hint}`].filter(Boolean).join("\n") : "";
  fault.hidden = !words;
  write(fault, words);
}

async function refresh() {
  let answer;
  try {
    answer = await (await ask("/api/sessions")).json();
  } catch (error) {
    const up = error.message.charAt(0).toUpperCase() + error.message.slice(1);
    if (error.needsToken && at("token-form").hidden) {
      at("token-form").hidden = false;
      at("token").focus();
    }
    return say(up, error.hint ?? "");
  }
  say();
  at("token-form").hidden = true;
  const { sessions } = answer;
  const here = new Set(sessions.map((session) => session.name));
  for (const [name, card] of cards) {
    if (here.has(name)) continue;
    card.remove();
    cards.delete(name);
  }
  sessions.forEach(show);
  at("empty").hidden = sessions.length > 0;
}

async function keepRefreshing() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((done) => (next = done, setTimeout(done, EVERY_MS)));
  }
}
let next = () => {};

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(at("token").value);
  at("token").value = "";
  next();
});
document.addEventListener("visibilitychange", () => next());
keepRefreshing();
