// What is not as it should be, and what to do about it: worked out from two records some seconds apart.

import { number, t } from "./words.js";

// Records that come closer together were held up on their way: their distance says nothing about a rate.
export const BURST_MS = 400;
const LOST = 0.03; // of what came, before anybody is told
const SLOW_CAMERA = 0.85;
const COVERED = 0.25;
const LOST_PACKETS = 0.02;

// Per second, between two samples { at, record }.
export function rates(first, last) {
  const seconds = (last.at - first.at) / 1000;
  const [before, after] = [first.record.frames ?? {}, last.record.frames ?? {}];
  const per = (now, then) => (seconds > 0 ? Math.max(0, (now ?? 0) - (then ?? 0)) / seconds : 0);
  const dropped = {};
  for (const [cause, count] of Object.entries(after.dropped ?? {})) dropped[cause] = per(count, before.dropped?.[cause]);
  return {
    captured: per(after.captured, before.captured),
    out: per(after.out, before.out),
    unswapped: per(after.unswapped, before.unswapped),
    dropped,
    fast: (dropped.capture ?? 0) + (dropped.deadline ?? 0),
  };
}

// One sentence, and how bad it is; nothing while all is well. `network` is { lost, dropped } of this browser, if known.
export function cause(rate, { record, config, network = null }) {
  const wanted = record.source?.fps ?? 0;
  if (!rate.captured && !rate.out) return null;
  if (rate.fast > Math.max(1, LOST * rate.captured)) return { kind: "pipeline", bad: true, words: slowPipeline(rate, record, config) };
  const sink = Object.entries(rate.dropped).find(([name, n]) => !INSIDE.has(name) && n > Math.max(1, LOST * rate.out));
  if (sink) return { kind: "sink", bad: true, words: t("{sink} does not keep up: {n} pictures a second are dropped in front of it. Lower its bit rate, or the source's size.", { sink: sink[0], n: number(sink[1]) }) };
  if (wanted && rate.captured < SLOW_CAMERA * wanted) return { kind: "capture", bad: true, words: slowSource(rate.captured, wanted, config?.source ?? "") };
  if (rate.out && rate.unswapped > COVERED * rate.out) {
    const share = number(Math.min(100, (100 * rate.unswapped) / rate.out));
    return { kind: "face", bad: false, words: t("{n} % of the pictures left without a swap: no face was found, or nobody's is chosen.", { n: share }) };
  }
  if (network?.lost > LOST_PACKETS) return { kind: "network", bad: false, words: t("{n} % of the packets to this browser are lost: what you see stutters, what others see may not.", { n: number(100 * network.lost, 1) }) };
  if (network?.dropped > 2) return { kind: "browser", bad: false, words: t("This browser drops {n} pictures a second: this machine is busy.", { n: number(network.dropped) }) };
  const lowered = record.adaptive?.lowered ?? [];
  if (lowered.length) return { kind: "adaptive", bad: false, words: t("Lowered to keep the pace: {what}.", { what: lowered.join(", ") }) };
  return null;
}

const INSIDE = new Set(["capture", "deadline", "held", "idle"]);

function slowSource(got, wanted, url) {
  const values = { n: number(got), of: number(wanted) };
  if (/^(rtsp|rtmp|srt|udp|https?|webrtc|whip):/.test(url)) return t("Only {n} of {of} pictures a second arrive: does its network keep up?", values);
  if (/^(synthetic|demo):/.test(url) || /\.\w{2,4}(\?|$)/.test(url)) return t("The source gives {n} of {of} pictures a second: this machine is busy.", values);
  return t("The camera gives {n} fps of {of}: dim light?", values);
}

function slowPipeline(rate, record, config) {
  const spent = Object.entries(record.recent?.stages_ms ?? {}).filter(([name]) => !WAITING.has(name));
  const [stage, took] = spent.sort((one, other) => other[1] - one[1])[0] ?? ["", 0];
  const words = t("The pipeline is too slow for {n} fps", { n: number(Math.max(rate.captured, record.source?.fps ?? 0)) });
  const slowest = stage ? t("{stage} takes {ms} ms", { stage: STAGES()[stage] ?? stage, ms: number(took) }) : "";
  return `${[words, slowest].filter(Boolean).join(": ")}. ${advice(stage, config)}`;
}

// As the graph calls them.
const STAGES = () => ({
  look: t("Detect"), detect: t("Detect"), follow: t("Align"), align: t("Align"), swap: t("Swap"), enhance: t("Enhance"),
  upload: t("Composite"), composite: t("Composite"), download: t("Composite"), sink: t("Encode and send"),
});

const WAITING = new Set(["capture", "queue", "wait", "overlap", "lane"]);

function advice(stage, config) {
  if (config?.adaptive?.enabled === false) return t("Switch adaptive quality on, and it lowers what costs most.");
  if (stage === "swap" && config?.swap?.boost > 1) return t("Lower the pixel boost.");
  if (stage === "swap") return t("Take a lighter swap model, or a smaller picture.");
  if (stage === "enhance") return t("Switch the enhancer off.");
  if (stage === "look" || stage === "detect") return t("Look for faces in every second picture, or at a smaller size.");
  return t("Take a smaller picture or fewer pictures a second.");
}
