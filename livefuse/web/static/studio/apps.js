// The apps that have access: what each may do, when it was last heard of, and an end to it.

import { copyable, fill, h } from "./dom.js";
import { SCOPES, label, scopeBoxes } from "./scopes.js";
import { styled } from "./styled.js";
import { t, when } from "./words.js";

const AGAIN_MS = 5000;

export function mount(host, studio) {
  styled("apps");
  const problem = h("p", { class: "fault", hidden: true });
  const list = h("ul", { class: "list apps-list", "aria-label": t("Apps with access") });
  host.append(problem, list, howTo());
  let seen = "";

  async function refresh() {
    const told = await studio.ask("/api/apps").catch(() => null);
    if (!told || JSON.stringify(told.apps) + told.problem === seen) return;
    seen = JSON.stringify(told.apps) + told.problem;
    problem.hidden = !told.problem;
    problem.textContent = told.problem;
    const none = h("li", { class: "empty" }, t("No app has access yet. One that asks is shown here at once, and you decide."));
    fill(list, told.apps.length ? told.apps.map((app) => row(studio, app, refresh)) : none);
  }

  refresh();
  studio.on("online", refresh);
  studio.on("pair", () => setTimeout(refresh, 1500)); // an app fetches its token a moment after it was allowed
  setInterval(() => host.offsetParent !== null && refresh(), AGAIN_MS);
}

function row(studio, app, refresh) {
  const scopes = app.scopes.length > 1 ? app.scopes.filter((scope) => scope !== "view") : app.scopes;
  const used = app.last_used ? t("Last used {time}", { time: when(app.last_used) }) : t("Never used");
  return h(
    "li",
    { class: "apps-app" },
    h("div", {}, h("strong", {}, app.name), h("p", { class: "quiet" }, used, " · ", t("allowed {time}", { time: when(app.created) }))),
    h("span", { class: "apps-chips" }, scopes.map((scope) => h("span", { class: "chip" }, label(scope)))),
    h("button", { type: "button", class: "small", "aria-label": t("Change what {name} may do", { name: app.name }), onclick: () => change(studio, app, refresh) }, t("Change")),
    h("button", { type: "button", class: "small ghost", "aria-label": t("Remove {name}", { name: app.name }), onclick: () => remove(studio, app, refresh) }, t("Remove")),
  );
}

async function change(studio, app, refresh) {
  const boxes = scopeBoxes(app.scopes);
  const buttons = [
    { label: t("Cancel"), value: false, class: "ghost" },
    { label: t("Save"), value: true, class: "main" },
  ];
  const saved = await studio.dialog(t("What “{name}” may do", { name: app.name }), boxes.element, buttons);
  if (saved) await act(studio, app, refresh, { method: "PATCH", json: { scopes: SCOPES.filter((scope) => boxes.chosen().includes(scope)) } });
}

async function remove(studio, app, refresh) {
  const title = t("Remove “{name}”?", { name: app.name });
  const words = t("Its token is worth nothing from now on, and what it has open ends. It can ask again.");
  if (await studio.confirm({ title, words, yes: t("Remove"), danger: true })) await act(studio, app, refresh, { method: "DELETE" });
}

async function act(studio, app, refresh, options) {
  try {
    await studio.ask(`/api/apps/${encodeURIComponent(app.id)}`, options);
  } catch (error) {
    studio.fail(error);
  }
  await refresh();
}

function howTo() {
  const asking = JSON.stringify({ name: "My app", scopes: ["view", "control"] });
  const curl = `curl -X POST ${location.origin}/api/pair -H "Content-Type: application/json" -d '${asking}'`;
  return h(
    "details",
    { class: "apps-how" },
    h("summary", {}, t("How an app asks")),
    h("p", { class: "quiet" }, t("It sends its name and what it wants to do, shows the code that comes back, and asks every second with the secret until you have answered here. Then it is told a token of its own.")),
    copyable(curl, t("the request")),
    h("p", { class: "quiet" }, t("In a script, this waits for your answer and prints the token:")),
    copyable(`livefuse pair "My app" --scopes view,control --daemon ${location.origin}`, t("the command")),
  );
}
