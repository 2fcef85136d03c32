// The figures as chips, and one sentence about what is not as it should be.

import { reading } from "../figures.js";
import { BURST_MS, cause, rates } from "./causes.js";
import { bytes, fill, h, write } from "./dom.js";
import { number, t } from "./words.js";

const WINDOW_MS = 6000;

export function mount(host, studio) {
  const chips = {
    fps: chip("fps", t("Pictures that leave, per second")),
    p50: chip("p50", t("Latency from the camera to the output: half of the pictures are faster")),
    p95: chip("p95", t("95 of 100 pictures are faster")),
    p99: chip("p99", t("99 of 100 pictures are faster")),
    drops: chip(t("dropped"), t("Pictures dropped since the start, by cause")),
    viewers: chip(t("watching"), t("Browsers and players that watch")),
    glass: chip(t("to screen"), t("About how long from the camera to this screen: the pipeline, half a round trip, jitter buffer and decoding")),
    memory: chip("", t("Memory")),
  };
  const said = h("p", { class: "numbers-cause", role: "status" });
  fill(host, h("dl", { class: "numbers-row" }, Object.values(chips).map((one) => one.element)), said);
  let [samples, before, network] = [[], null, null];

  async function measure() {
    const connection = studio.whep?.connection;
    if (document.hidden || !connection || studio.whep.state !== "live") return (before = network = null);
    const now = await reading(connection);
    network = between(now, before);
    before = now;
    return network;
  }

  async function heard(record) {
    await measure().catch(() => {}); // the connection was closed meanwhile
    const at = performance.now();
    if (samples.length && at - samples.at(-1).at < BURST_MS) samples.pop();
    samples.push({ at, record });
    samples = samples.filter((one) => samples.at(-1).at - one.at < WINDOW_MS && (record.frames?.captured ?? 0) >= (one.record.frames?.captured ?? 0));
    if (document.hidden) return;
    const rate = samples.length > 1 ? rates(samples[0], samples.at(-1)) : null;
    const last = samples.length > 1 ? rates(samples.at(-2), samples.at(-1)) : null;
    show(chips, record, last, studio.summary, network);
    tell(said, rate && !record.hold && !record.idle ? cause(rate, { record, config: studio.config, network }) : null, record);
  }

  studio.on("stats", heard);
  studio.on("session", () => {
    [samples, before, network] = [[], null, null];
    Object.values(chips).forEach((one) => one.set(""));
    tell(said, null, {});
  });
}

function chip(label, title) {
  const value = h("span", {}, "–");
  const name = h("dt", {}, label);
  const bar = h("span", { class: "numbers-bar", hidden: true }, h("span", {}));
  const element = h("div", { class: "numbers-chip", title }, name, h("dd", {}, value, bar));
  return {
    element,
    set: (words, tone = "") => {
      write(value, words || "–");
      element.dataset.tone = tone;
    },
    name: (words) => write(name, words),
    explain: (words) => (element.title = words),
    fill: (share) => {
      bar.hidden = share === null;
      bar.firstChild.style.width = `${Math.round(100 * Math.min(1, share ?? 0))}%`;
    },
  };
}

function show(chips, record, rate, summary, network) {
  const recent = record.recent?.latency_ms ?? {};
  const [p50, p95, p99] = ["p50", "p95", "p99"].map((name) => recent[name]);
  const wanted = record.source?.fps ?? 0;
  const fps = rate ? rate.out : undefined;
  const resting = Boolean(record.hold || record.idle);
  chips.fps.set(fps === undefined || resting ? "" : number(fps, fps < 9.95 ? 1 : 0), !resting && wanted && fps < 0.8 * wanted ? "warn" : "");
  chips.p50.set(ms(p50));
  chips.p95.set(ms(p95));
  chips.p99.set(ms(p99));
  showDrops(chips.drops, record, rate);
  const watching = summary?.viewers ?? record.webrtc?.viewers?.length;
  chips.viewers.set(watching === undefined ? "" : number(record.webrtc?.viewers?.length ?? watching));
  chips.glass.set(network?.ms && p50 ? ms(p50 + network.ms) : "");
  showMemory(chips.memory, record.memory ?? {});
}

function showDrops(one, record, rate) {
  const dropped = Object.entries(record.frames?.dropped ?? {}).filter(([cause, n]) => n > 0 && cause !== "held" && cause !== "idle");
  const now = Object.entries(rate?.dropped ?? {}).some(([cause, n]) => n > 1 && cause !== "held" && cause !== "idle");
  one.set(number(dropped.reduce((sum, [, n]) => sum + n, 0)), now ? "bad" : "");
  one.explain(dropped.length ? t("Dropped since the start: {what}", { what: dropped.map(([cause, n]) => `${cause} ${number(n)}`).join(", ") }) : t("Nothing was dropped"));
}

// Of the graphics card where one is used, else of the daemon's process.
function showMemory(one, memory) {
  const [resident, budget] = [memory.resident_bytes || memory.vram_bytes, memory.budget_bytes];
  if (resident && budget) {
    one.name(t("VRAM of {budget}", { budget: bytes(budget) }));
    one.set(bytes(resident), resident > 0.95 * budget ? "warn" : "");
    one.fill(resident / budget);
    return;
  }
  one.name(resident ? t("VRAM") : t("RAM"));
  one.set(bytes(resident || memory.rss_bytes || undefined).replace("–", ""));
  one.fill(null);
}

function tell(said, found, record) {
  const words = found?.words ?? (record.recent?.frames && !record.hold && !record.idle ? t("Every picture arrives, is swapped and leaves.") : "");
  said.dataset.kind = found?.kind ?? "";
  said.dataset.tone = found ? (found.bad ? "bad" : "warn") : "";
  write(said, words);
}

const ms = (value) => (Number.isFinite(value) ? `${number(value, value < 9.95 ? 1 : 0)} ms` : "");

// What lies between two readings of getStats: the way to this screen, what is lost on it, what is dropped at its end.
function between(now, before) {
  const [video, old] = [now.video, before?.video];
  if (!old || video.id !== old.id) return null;
  const since = (name) => (video[name] ?? 0) - (old[name] ?? 0);
  const [decoded, received, lost] = [since("framesDecoded"), since("packetsReceived"), Math.max(0, since("packetsLost"))];
  const seconds = (video.timestamp - old.timestamp) / 1000;
  const processing = decoded > 0 ? (1000 * since("totalProcessingDelay")) / decoded : 0;
  const trip = 1000 * (now.pair.currentRoundTripTime ?? 0);
  return { ms: decoded > 0 ? trip / 2 + processing : 0, lost: received + lost > 0 ? lost / (received + lost) : 0, dropped: seconds > 0 ? since("framesDropped") / seconds : 0 };
}
