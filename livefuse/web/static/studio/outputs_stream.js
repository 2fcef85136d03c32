// Going live: a service and its key, or any address. The key leaves this page once, and is never shown again.

import { h } from "./dom.js";
import { t } from "./words.js";

const CONNECT_MS = 60000; // the daemon's own limits are shorter, but a slow machine starts its sender slowly

// Source: dev.twitch.tv/docs/video-broadcast, developers.google.com/youtube/v3/live
const SERVICES = {
  twitch: { name: "Twitch", server: "rtmp://live.twitch.tv/app" },
  youtube: { name: "YouTube", server: "rtmps://a.rtmps.youtube.com/live2" },
};

export function streamForm(studio, started) {
  const service = h("select", { name: "service" }, Object.entries(SERVICES).map(([value, { name }]) => h("option", { value }, name)), h("option", { value: "other" }, t("Another server")));
  const key = h("input", { name: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const url = h("input", { name: "url", type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", placeholder: "rtmp://…  rtsp://…  srt://…  udp://…" });
  const keyField = h("label", { class: "field" }, h("span", {}, t("Stream key")), key);
  const urlField = h("label", { class: "field", hidden: true }, h("span", {}, t("Address")), url);
  const go = h("button", { type: "submit", class: "main" }, t("Go live"));
  const hint = h("p", { class: "quiet out-hint" });
  const form = h("form", { class: "out-form" }, h("label", { class: "field" }, h("span", {}, t("Where to")), service), urlField, keyField, hint, h("div", { class: "row" }, go));
  const element = h("details", { class: "out-stream" }, h("summary", {}, t("Stream to a service")), form);

  function chosen() {
    const other = service.value === "other";
    urlField.hidden = !other;
    url.required = other;
    key.required = !other;
    hint.textContent = other ? t("A key that is part of the address goes into the second field: it is kept covered.") : t("Pictures only: sound is not sent.");
  }
  service.addEventListener("change", chosen);
  chosen();

  async function send() {
    const server = service.value === "other" ? url.value.trim() : SERVICES[service.value].server;
    const address = joined(server, key.value.trim());
    await studio.ask(studio.path("/sinks"), { method: "POST", json: { url: address }, signal: AbortSignal.timeout(CONNECT_MS) });
    key.value = "";
    url.value = "";
    element.open = false;
    studio.say(t("You are live: pictures go to {where}", { where: service.selectedOptions[0].textContent }));
    await started();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    studio.busy(go, send());
  });
  return element;
}

// The key belongs behind the path, before the options.
export function joined(server, key) {
  if (!key) return server;
  const [base, ...query] = server.split("?");
  return `${base.replace(/\/+$/, "")}/${key}${query.length ? `?${query.join("?")}` : ""}`;
}
