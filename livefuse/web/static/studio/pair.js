// Apps that ask for a token of their own: the owner compares a code, and allows or denies.

import { duration, h, write } from "./dom.js";
import { scopeBoxes, label } from "./scopes.js";
import { styled } from "./styled.js";
import { t } from "./words.js";

const READ_MS = 1200; // a press that was meant for what stood here before answers nothing
const QUIET_MS = 1500; // somebody who types is not interrupted in a word

export function watchPairing(studio) {
  const left = new Set(); // those that were put away unanswered: the list of apps still has them
  let pending = [];
  let shown = null;
  let typed = -QUIET_MS;
  addEventListener("keydown", () => (typed = performance.now()), true);

  studio.on("pair", (told) => {
    const now = performance.now();
    pending = told.pending.map((app) => ({ ...app, ends: now + app.expires_in * 1000 }));
    if (shown && !pending.some((app) => app.id === shown.id)) shown.close();
    next();
  });

  function next() {
    const app = shown ? null : pending.find((one) => !left.has(one.id) && one.ends > performance.now());
    if (!app) return;
    const wait = typed + QUIET_MS - performance.now();
    if (wait > 0) {
      setTimeout(next, wait);
      return;
    }
    const asked = question(studio, app);
    shown = { id: app.id, close: asked.close };
    asked.then(() => {
      left.add(app.id);
      shown = null;
      next();
    });
  }
}

function question(studio, app) {
  styled("apps");
  const boxes = scopeBoxes(app.scopes);
  const left = h("span", { role: "timer", "aria-live": "off" });
  const known = h("p", { class: "apps-known", hidden: true }, t("An app of this name has access already. This may be another one."));
  const body = [
    h("p", { class: "apps-from" }, where(app)),
    h("div", { class: "apps-compare" }, h("p", { id: "apps-code-words" }, t("The app must show this code:")), h("output", { class: "apps-code", "aria-labelledby": "apps-code-words" }, app.code)),
    known,
    boxes.element,
    h("p", { class: "quiet" }, t("If you did not just start this yourself, or the code is another one, deny it."), " ", left),
  ];
  const asked = studio.dialog(t("“{name}” asks for access", { name: app.name }), body);
  const ready = performance.now() + READ_MS;
  const answer = (how) => async () => {
    if (performance.now() < ready) return;
    asked.close();
    await tell(studio, app, how, boxes.chosen());
  };
  const deny = h("button", { type: "button", onclick: answer("deny") }, t("Deny"));
  const allow = h("button", { type: "button", class: "main", "aria-disabled": "true", onclick: answer("allow") }, t("Allow"));
  asked.dialog.classList.add("apps-dialog");
  asked.dialog.addEventListener("cancel", (event) => performance.now() < ready && event.preventDefault());
  asked.dialog.append(h("footer", { class: "row" }, deny, allow));
  deny.focus();
  setTimeout(() => allow.removeAttribute("aria-disabled"), READ_MS);
  const tick = () => {
    const seconds = Math.ceil((app.ends - performance.now()) / 1000);
    write(left, t("It ends in {time}.", { time: duration(Math.max(0, seconds)) }));
    if (seconds <= 0) asked.close();
  };
  tick();
  const ticking = setInterval(tick, 1000);
  asked.then(() => clearInterval(ticking));
  studio.ask("/api/apps").then(({ apps }) => (known.hidden = !apps.some((one) => one.name.toLowerCase() === app.name.toLowerCase())), () => {});
  return asked;
}

function where(app) {
  if (app.origin) return t("The web page {origin} asks, open at {address}", { origin: app.origin, address: app.address });
  return app.here ? t("It runs on the same computer as livefuse") : t("It runs at {address}", { address: app.address });
}

async function tell(studio, app, how, scopes) {
  try {
    await studio.ask(`/api/pair/${encodeURIComponent(app.id)}/${how}`, { method: "POST", json: how === "allow" ? { scopes } : undefined });
    if (how === "deny") studio.say(t("{name} was denied", { name: app.name }));
    else studio.say(t("{name} has access", { name: app.name }), scopes.map(label).join(", "));
  } catch (error) {
    studio.fail(error);
  }
}
