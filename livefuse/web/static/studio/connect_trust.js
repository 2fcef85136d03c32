// The daemon's own certificate authority: its fingerprint, and how each system comes to trust it.

import { copyable, h } from "./dom.js";
import { t } from "./words.js";

const SYSTEMS = { linux: "Linux", macos: "macOS", windows: "Windows", firefox: "Firefox", ios: "iPhone, iPad", android: "Android" };

export function trustCard(tls) {
  const own = tls.mode === "own";
  return h(
    "section",
    { class: "card connect-card connect-trust", "aria-labelledby": "connect-trust" },
    h("h3", { id: "connect-trust" }, own ? t("Trust this daemon") : t("Certificate")),
    h("p", { class: "quiet" }, own ? t("Its certificates come from an authority of its own. Trust it once on each device, and compare the fingerprint.") : t("The daemon shows the certificate of your own files.")),
    h("div", { class: "connect-way" }, h("span", { class: "connect-label" }, t("Fingerprint (SHA-256)")), h("code", { class: "connect-print" }, h("span", {}, tls.fingerprint.slice(0, 48)), h("span", {}, tls.fingerprint.slice(48)))),
    own ? [h("p", {}, h("a", { class: "button small", href: "/ca.crt", download: "livefuse-ca.crt" }, t("Download the certificate"))), systems(tls)] : null,
  );
}

function systems(tls) {
  const names = [...new Set(tls.trust.map((way) => way.system))];
  return names.map((system) =>
    h(
      "details",
      { class: "connect-more", open: system === present() },
      h("summary", {}, SYSTEMS[system] ?? system),
      tls.trust.filter((way) => way.system === system).map(steps),
    ),
  );
}

function steps(way) {
  const how = way.is_command ? copyable(way.steps.join(" && "), way.name) : h("ol", {}, way.steps.map((step) => h("li", {}, step)));
  return h("div", { class: "connect-way" }, h("span", { class: "connect-label" }, way.name), how);
}

function present() {
  const agent = navigator.userAgent;
  if (/iPhone|iPad/.test(agent)) return "ios";
  if (/Android/.test(agent)) return "android";
  if (/Firefox/.test(agent)) return "firefox";
  if (/Windows/.test(agent)) return "windows";
  return /Mac OS/.test(agent) ? "macos" : "linux";
}
