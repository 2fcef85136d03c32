// Numbers of a playing connection, from two readings of getStats (W3C webrtc-stats).

const per = (after, before, total, count) => {
  const n = (after[count] ?? 0) - (before[count] ?? 0);
  return n > 0 ? ((after[total] ?? 0) - (before[total] ?? 0)) / n : undefined;
};

export async function reading(connection) {
  const report = await connection.getStats();
  const all = [...report.values()];
  const video = all.find((entry) => entry.type === "inbound-rtp" && entry.kind === "video") ?? {};
  const transport = all.find((entry) => entry.type === "transport");
  const pair = report.get(transport?.selectedCandidatePairId) ?? all.find((entry) => entry.nominated) ?? {};
  return { video, codec: report.get(video.codecId), pair, local: report.get(pair.localCandidateId) };
}

// What lies between two readings, in the order and the words of the panel.
export function figures(now, before) {
  const [video, old] = [now.video, before?.video ?? {}];
  const seconds = (video.timestamp - (old.timestamp ?? video.timestamp)) / 1000;
  const bits = seconds > 0 ? ((video.bytesReceived - old.bytesReceived) * 8) / seconds : undefined;
  const ms = (value, scale = 1000) => (value === undefined ? "" : `${(value * scale).toFixed(1)} ms`);
  const lost = Math.max(0, video.packetsLost ?? 0);
  return {
    picture: video.frameWidth ? `${video.frameWidth} × ${video.frameHeight}` : "",
    codec: (now.codec?.mimeType ?? "").replace("video/", ""),
    "frames per second": video.framesPerSecond === undefined ? "" : String(video.framesPerSecond),
    bitrate: bits === undefined || Number.isNaN(bits) ? "" : `${(bits / 1e6).toFixed(2)} Mb/s`,
    "jitter buffer": ms(per(video, old, "jitterBufferDelay", "jitterBufferEmittedCount")),
    decode: ms(per(video, old, "totalDecodeTime", "framesDecoded")),
    "received to ready": ms(per(video, old, "totalProcessingDelay", "framesDecoded")),
    "round trip": ms(now.pair.currentRoundTripTime),
    dropped: String(video.framesDropped ?? 0),
    freezes: `${video.freezeCount ?? 0}${video.totalFreezesDuration ? ` (${video.totalFreezesDuration.toFixed(1)} s)` : ""}`,
    "packets lost": String(lost),
    way: [now.local?.candidateType, now.local?.protocol].filter(Boolean).join(" "),
  };
}

// The daemon's own record (design: numbers people see), as far as it is there.
export function pipelineFigures(record) {
  const latency = record?.latency_ms ?? {};
  const dropped = Object.values(record?.frames?.dropped ?? {}).reduce((sum, n) => sum + (Number(n) || 0), 0);
  const ms = (value) => (typeof value === "number" ? `${value.toFixed(1)} ms` : "");
  return {
    "pipeline p50": ms(latency.p50),
    "pipeline p95": ms(latency.p95),
    "pipeline fps": typeof record?.fps === "number" ? record.fps.toFixed(1) : "",
    "pipeline drops": record?.frames ? String(dropped) : "",
  };
}

// Writes rows into a <dl>, touching only what changed. `labels` are other words for the names.
export function writeRows(list, rows, labels = {}) {
  for (const [name, value] of Object.entries(rows)) {
    let cell = list.querySelector(`dd[data-name="${CSS.escape(name)}"]`);
    if (!cell) {
      const term = document.createElement("dt");
      term.textContent = labels[name] ?? name;
      cell = document.createElement("dd");
      cell.dataset.name = name;
      list.append(term, cell);
    }
    const words = value || "–";
    if (cell.textContent !== words) cell.textContent = words;
  }
}

// The last gaps between shown pictures as bars, with a line at the usual gap.
export function drawGaps(canvas, gaps) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const [good, bad] = [style.getPropertyValue("--good"), style.getPropertyValue("--bad")];
  const usual = [...gaps].sort((a, b) => a - b)[gaps.length >> 1] || 33;
  gaps.forEach((gap, i) => {
    const tall = Math.max(1, Math.min(height, (gap / (usual * 4)) * height));
    pen.fillStyle = gap > usual * 2.2 ? bad : good;
    pen.fillRect(width - (gaps.length - i) * 2, height - tall, 1.5, tall);
  });
}
