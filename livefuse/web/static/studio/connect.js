// How to reach the session from elsewhere: addresses, OBS, a phone, a terminal; and whether this page may have a camera.

import { ask } from "../peer.js";
import { called, GROUPS } from "./connect_words.js";
import { trustCard } from "./connect_trust.js";
import { copyable, fill, h } from "./dom.js";
import { styled } from "./styled.js";
import { t } from "./words.js";
import { mountInto } from "./views.js";

const SERVE = "livefuse serve --host 0.0.0.0 --tls";

export async function mount(host, studio) {
  styled("connect");
  const here = h("div", { class: "connect-here" });
  const cards = h("div", { class: "connect-cards" });
  const apps = h("div", {});
  host.classList.add("connect");
  host.append(here, cards, h("section", { id: "apps", class: "card", "aria-labelledby": "title-apps" }, h("h3", { id: "title-apps" }, t("Apps")), apps));
  let asked = 0;

  async function show() {
    if (!studio.session) return;
    const turn = ++asked;
    const told = await studio.ask(`/api/connect?session=${encodeURIComponent(studio.session)}`).catch((error) => error);
    if (turn !== asked) return; // another session was chosen meanwhile
    if (told instanceof Error) return fill(here, h("p", { class: "fault" }, told.message, " ", told.hint ?? ""));
    fill(here, whereCard(told));
    const columns = [
      [card("watch", told), card("publish", told), card("obs", told)],
      [phoneCard(told, studio), told.tls.mode ? trustCard(told.tls) : null, card("command", told)],
    ];
    fill(cards, columns.map((column) => h("div", { class: "connect-column" }, column)));
  }

  studio.on("session", show);
  studio.on("online", show);
  await mountInto(apps, "./apps.js", studio);
}

// Whether getUserMedia is there, and what gives it if not.
function whereCard(told) {
  const address = h("strong", {}, location.origin);
  const secure = isSecureContext;
  const safe = location.protocol === "https:" ? t("encrypted") : t("on this machine");
  return h(
    "div",
    { class: "card connect-where" },
    h("p", {}, h("span", { class: `badge ${secure ? "good" : "warn"}` }, secure ? t("Camera possible") : t("No camera here")), " ", t("This page is on"), " ", address),
    secure
      ? h("p", { class: "quiet" }, t("Its connection is {how}, so this browser gives it the camera.", { how: safe }))
      : [h("p", {}, t("Browsers give a camera only to HTTPS pages and to localhost. Choose one:")), h("ul", { class: "connect-choices" }, choices())],
    told.network ? null : h("p", { class: "quiet" }, t("Only this machine can reach the daemon. For others, start it with:"), " ", h("code", {}, SERVE)),
  );
}

function choices() {
  return [
    h("li", {}, t("Trust the daemon's certificate once; start it with:"), " ", h("code", {}, "livefuse serve --tls")),
    h("li", {}, t("Open a tunnel, and then localhost: see the command line below.")),
    h("li", {}, t("Use a name with a certificate, such as Tailscale's, and list it in serve.hosts.")),
  ];
}

function card(group, told) {
  const { title, words, first } = GROUPS[group];
  const ways = told.ways[group];
  const [top, rest] = [ways.filter((way) => first.includes(way.kind)), ways.filter((way) => !first.includes(way.kind))];
  const id = `connect-${group}`;
  return h(
    "section",
    { class: "card connect-card", "aria-labelledby": id },
    h("h3", { id }, title()),
    h("p", { class: "quiet" }, words()),
    top.map(row),
    rest.length ? h("details", { class: "connect-more" }, h("summary", {}, t("More ways")), rest.map(row)) : null,
  );
}

function row(way) {
  const { label, note } = called(way);
  return h("div", { class: "connect-way", dataset: { kind: way.kind } }, h("span", { class: "connect-label" }, label), copyable(way.value, label, { secret: way.secret }), note ? h("p", { class: "connect-note" }, note) : null);
}

function phoneCard(told, studio) {
  const ways = told.ways.phone;
  const words = !ways.length ? t("No phone can reach the daemon yet. Start it with:") : told.tls.mode === "own" ? t("Trust the certificate first, then scan.") : told.tls.mode ? t("Scan with the phone's camera.") : t("To use the phone's camera the daemon has to serve HTTPS.");
  const body = ways.length ? code(ways, studio) : copyable(SERVE, t("command"));
  return h("section", { class: "card connect-card", "aria-labelledby": "connect-phone" }, h("h3", { id: "connect-phone" }, GROUPS.phone.title()), h("p", { class: "quiet" }, words), body);
}

// One code at a time: covered at first, for most of them hold the token, and screens are shared.
function code(ways, studio) {
  const picture = h("img", { class: "connect-qr", alt: "", hidden: true, width: 220, height: 220 });
  const below = h("div", {});
  const buttons = ways.map((way) => h("button", { type: "button", "aria-pressed": "false", onclick: (event) => studio.busy(event.currentTarget, choose(way)) }, called(way).label));

  async function choose(way) {
    const again = buttons[ways.indexOf(way)].getAttribute("aria-pressed") === "true";
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(!again && ways[index] === way)));
    if (picture.src) URL.revokeObjectURL(picture.src);
    picture.hidden = true;
    if (again) return fill(below);
    const response = await ask(`/api/connect/qr?what=${way.kind}&session=${encodeURIComponent(studio.session)}`, {});
    picture.src = URL.createObjectURL(await response.blob());
    await picture.decode();
    picture.hidden = false;
    picture.alt = t("QR code: {what}", { what: called(way).label });
    fill(below, row(way));
  }

  return [h("div", { class: "connect-codes", role: "group", "aria-label": t("QR code") }, buttons), picture, below];
}
