// The daemon's jobs as they go on, for the views that show them: asked for often while something runs, and only while
// somebody looks.

import { ask } from "./api.js";

const BUSY_MS = 700;
const CALM_MS = 5000;
const watchers = new Map();
let timer = 0;
let running = false;

// `act` gets all jobs, at once and then again and again while `host` is to be seen. -> look(): ask now
export function watchJobs(host, act) {
  watchers.set(host, act);
  new IntersectionObserver(([seen]) => seen.isIntersecting && look()).observe(host);
  look();
  return look;
}

export const busy = (job) => job.state === "queued" || job.state === "running";

export async function look() {
  clearTimeout(timer);
  if (running) return;
  running = true;
  let wait = CALM_MS;
  try {
    const seen = [...watchers].filter(([host]) => host.checkVisibility() && !document.hidden);
    if (seen.length) {
      const { jobs } = await ask("/api/jobs");
      if (jobs.some(busy)) wait = BUSY_MS;
      for (const [, act] of seen) act(jobs);
    }
  } catch {
    wait = CALM_MS; // the shell says that the daemon does not answer
  } finally {
    running = false;
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  }
}

document.addEventListener("visibilitychange", () => document.hidden || look());
