// Figures of this browser's connection, over the picture: what getStats says, from the daemon to the glass.

import { drawGaps, figures, reading, writeRows } from "../figures.js";
import { h } from "./dom.js";
import { t } from "./words.js";

const EVERY_MS = 1000;
const GAPS_KEPT = 120;

const labels = () => ({
  picture: t("Picture"),
  codec: t("Codec"),
  "frames per second": t("Frames per second"),
  bitrate: t("Bit rate"),
  "jitter buffer": t("Jitter buffer"),
  decode: t("Decoding"),
  "received to ready": t("Received to ready"),
  "round trip": t("Round trip"),
  dropped: t("Dropped here"),
  freezes: t("Freezes"),
  "packets lost": t("Packets lost"),
  way: t("Way"),
});

export function mountFigures(stage) {
  const list = h("dl", {});
  const canvas = h("canvas", { role: "img", "aria-label": t("Time between shown pictures") });
  const panel = h("section", { class: "stage-figures", "aria-label": t("Figures of this browser's connection"), hidden: true }, canvas, list);
  stage.frame.append(panel);
  const gaps = [];
  let [before, timer, watching] = [null, 0, false];

  async function measure() {
    if (document.hidden || !stage.whep.connection) return;
    const now = await reading(stage.whep.connection);
    writeRows(list, figures(now, before), labels());
    before = now;
    drawGaps(canvas, gaps);
  }

  function watchGaps() {
    if (watching || !stage.video.requestVideoFrameCallback) return;
    watching = true;
    let last = 0;
    const shown = (now) => {
      if (last) gaps.push(now - last);
      if (gaps.length > GAPS_KEPT) gaps.shift();
      last = now;
      watching = !panel.hidden;
      if (watching) stage.video.requestVideoFrameCallback(shown);
    };
    stage.video.requestVideoFrameCallback(shown);
  }

  function toggle() {
    panel.hidden = !panel.hidden;
    clearInterval(timer);
    before = null;
    if (panel.hidden) return false;
    measure();
    timer = setInterval(measure, EVERY_MS);
    watchGaps();
    return true;
  }

  return { toggle };
}
