// The daemon's API: answers as values, failures as errors with words, and its events as they come.

import { Refused, ask as fetched } from "../peer.js";
import { bearer } from "../token.js";

export async function ask(path, { method = "GET", json, body, headers = {}, ...rest } = {}) {
  const options = { method, headers: { ...headers }, body, ...rest };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  const response = await fetched(path, options);
  if (response.status === 204) return null;
  return response.headers.get("Content-Type")?.startsWith("application/json") ? response.json() : response;
}

const SILENT_MS = 8000;
const AGAIN_MS = [300, 4000];

// Server-sent events by fetch: an EventSource can neither show a token nor tell why it was refused.
export async function follow(path, { heard, online, offline, refused }) {
  let wait = AGAIN_MS[0];
  for (;;) {
    try {
      await listen(path, (event) => {
        wait = AGAIN_MS[0];
        online();
        heard(event);
      });
    } catch (error) {
      if (error.needsToken) await refused(error);
      else offline(error);
    }
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, AGAIN_MS[1]);
  }
}

async function listen(path, heard) {
  const abort = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENT_MS);
  };
  alive();
  try {
    const response = await fetched(path, { signal: abort.signal, headers: { ...bearer(), Accept: "text/event-stream" } });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Refused("the daemon has ended this connection");
      alive();
      const events = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = events.pop();
      for (const event of events) told(event, heard);
    }
  } catch (error) {
    throw error instanceof Refused ? error : new Refused("the daemon does not answer");
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

// Source: HTML Living Standard section 9.2.6.
function told(text, heard) {
  const said = { event: "message", data: [] };
  for (const line of text.split("\n")) {
    const [, field, value] = line.match(/^(\w+):? ?(.*)$/s) ?? [];
    if (field === "event") said.event = value;
    else if (field === "data") said.data.push(value);
  }
  if (said.data.length) heard({ kind: said.event, value: JSON.parse(said.data.join("\n")) });
}
