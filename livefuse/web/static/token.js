// The daemon's token: it arrives as `#token=` (a fragment is never sent to a server), stays in this tab's
// sessionStorage, and leaves the address bar at once, so that a screen that is shared does not show it.

const KEY = "livefuse-token";

function taken() {
  const said = new URLSearchParams(location.hash.slice(1));
  const token = said.get("token");
  if (token === null) return;
  keep(token);
  said.delete("token");
  const rest = said.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
}

export function keep(token) {
  try {
    sessionStorage.setItem(KEY, token.trim());
  } catch {
    memory = token.trim(); // storage is forbidden: the token lives as long as the page
  }
}

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? memory;
  } catch {
    return memory;
  }
}

export function bearer() {
  const said = token();
  return said ? { Authorization: `Bearer ${said}` } : {};
}

// Links within the daemon carry the token on: a new tab has a sessionStorage of its own.
export function carrying(path) {
  const said = token();
  return said ? `${path}#token=${encodeURIComponent(said)}` : path;
}

let memory = "";
taken();
addEventListener("hashchange", taken);
