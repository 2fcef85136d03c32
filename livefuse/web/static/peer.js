// What WHIP (RFC 9725) and WHEP (draft-03) share: one exchange of SDP over HTTP, and words for what goes wrong.

import { bearer } from "./token.js";

const GATHER_MS = 300;
const GATHER_THROUGH_SERVERS_MS = 2000;
const ANSWER_MS = 10000;

export class Refused extends Error {
  constructor(message, { status = 0, hint = "", code = "", waitMs = 0 } = {}) {
    super(message);
    this.status = status;
    this.hint = hint;
    this.code = code;
    this.waitMs = waitMs;
  }

  get needsToken() {
    return this.status === 401 || this.status === 403;
  }
}

// A fetch whose failures are `Refused`, in words. Problem documents (RFC 9457) bring their own.
export async function ask(url, options = {}) {
  let response;
  try {
    response = await fetch(url, {
      signal: AbortSignal.timeout(ANSWER_MS),
      ...options,
      headers: { ...bearer(), ...options.headers },
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const silent = error.name === "TimeoutError";
    throw new Refused(silent ? "the daemon took too long to answer" : "the daemon does not answer");
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const usual = {
    401: "the daemon asks for its token",
    403: "the daemon does not allow this",
    404: "nothing of this name runs here",
    503: "the daemon is full or not ready",
  };
  const words = problem?.detail || problem?.title || usual[response.status] || `the daemon answered ${response.status}`;
  const seconds = Number(response.headers.get("Retry-After"));
  const waitMs = seconds > 0 ? seconds * 1000 : 0;
  return new Refused(String(words), { status: response.status, hint: String(problem?.hint ?? ""), code: String(problem?.code ?? ""), waitMs });
}

// STUN and TURN servers that the daemon names in `Link` headers (RFC 9725 section 4.6).
export function iceServers(link) {
  const servers = [];
  for (const [, url, said] of (link ?? "").matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,]+))*)/g)) {
    const named = {};
    for (const [, key, quoted, bare] of said.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]+))/g)) {
      named[key.toLowerCase()] = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    }
    if (named.rel !== "ice-server") continue;
    const server = { urls: [url] };
    if (named.username !== undefined) Object.assign(server, { username: named.username, credential: named.credential });
    servers.push(server);
  }
  return servers;
}

// None of our own choosing: without `[webrtc] ice_servers` no foreign server hears of anybody.
export async function namedServers(url) {
  try {
    const response = await ask(url, { method: "OPTIONS" });
    return iceServers(response.headers.get("Link"));
  } catch (error) {
    if (error.needsToken) throw error;
    return []; // the POST that follows says what is wrong
  }
}

// The offer with what was gathered in a short time. The daemon sends every candidate of its own, so even an offer
// without any finds its way: the daemon learns our address from our first check (RFC 8445, peer-reflexive).
async function gathered(connection, within) {
  if (connection.iceGatheringState !== "complete") {
    await new Promise((done) => {
      const timer = setTimeout(done, within);
      connection.addEventListener("icegatheringstatechange", () => {
        if (connection.iceGatheringState !== "complete") return;
        clearTimeout(timer);
        done();
      });
    });
  }
  return withoutMdns(connection.localDescription.sdp);
}

// `.local` candidates hide the address of this host; only this host's own network could look them up, slowly.
export function withoutMdns(sdp) {
  return sdp.replace(/^a=candidate:\S+ \d+ \S+ \d+ \S+\.local .*\r?\n/gm, "");
}

// Offers what `connection` holds; gives the resource to DELETE in the end.
export async function exchange(url, connection, servers) {
  await connection.setLocalDescription();
  const sdp = await gathered(connection, servers.length ? GATHER_THROUGH_SERVERS_MS : GATHER_MS);
  const response = await ask(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp });
  const resource = new URL(response.headers.get("Location") ?? "", response.url).href;
  try {
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
  } catch (error) {
    leave(resource);
    throw new Refused(`this browser cannot use the daemon's answer: ${error.message}`);
  }
  return resource;
}

// Ends a resource even while the page goes away (a beacon could only POST).
export async function leave(resource) {
  if (resource) await fetch(resource, { method: "DELETE", keepalive: true, headers: bearer() }).catch(() => {});
}
