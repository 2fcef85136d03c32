// How the latency graph is drawn: bands on top of each other, lines over them, marks for drops along the top.

export const WINDOW_MS = 60000;
const EDGE = { left: 34, right: 30, top: 16, bottom: 17 };
const GAP_MS = 2600; // samples further apart have nothing in between
const LEAST_MS = 20;

export function draw(canvas, samples, { chosen, wanted, words }) {
  const pen = sized(canvas);
  const look = inks(canvas);
  const box = area(canvas);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  pen.font = `11px ${look.font}`;
  const shown = samples.filter((one) => !one.empty);
  const top = nice(Math.max(LEAST_MS, ...shown.map((one) => Math.max(one.p95, sum(one.bands)))));
  const most = 1.15 * Math.max(wanted, 1, ...shown.map((one) => one.fps ?? 0));
  const now = samples.at(-1)?.at ?? 0;
  const x = (at) => box.x + box.width * (1 - (now - at) / WINDOW_MS);
  const y = (value) => box.y + box.height * (1 - Math.min(value, top) / top);
  const rate = (fps) => box.y + box.height * (1 - fps / most);
  axes(pen, box, look, { top, most, words, y, rate, wanted });
  if (!shown.length) return said(pen, box, look, words.waiting);
  pen.save();
  pen.beginPath();
  pen.rect(box.x, 0, box.width + 1, box.y + box.height + 1);
  pen.clip();
  const runs = split(samples);
  bands(pen, runs, look, x, y);
  for (const run of runs) {
    line(pen, run, x, (one) => y(one.p95), look.ink, 1.4, [5, 3]);
    line(pen, run, x, (one) => y(one.p50), look.ink, 2, []);
    line(pen, run.filter((one) => one.fps !== undefined), x, (one) => rate(one.fps), look.rate, 1.6, [1.5, 3]);
  }
  for (const one of samples) one.drops.forEach((drop) => mark(pen, look, x(one.at), 7, drop.shape));
  if (samples[chosen]) cross(pen, box, look, samples[chosen], x, y);
  pen.restore();
}

// Which sample lies under a place, and where a sample lies.
export function indexAt(canvas, samples, px) {
  let [best, distance] = [-1, 24];
  samples.forEach((_, index) => {
    const apart = Math.abs(indexAt.place(canvas, samples, index) - px);
    if (apart < distance) [best, distance] = [index, apart];
  });
  return best;
}

indexAt.place = (canvas, samples, index) => {
  const box = area(canvas);
  return box.x + box.width * (1 - (samples.at(-1).at - samples[index].at) / WINDOW_MS);
};

function sized(canvas) {
  const scale = devicePixelRatio || 1;
  const size = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  return pen;
}

function area(canvas) {
  return { x: EDGE.left, y: EDGE.top, width: canvas.clientWidth - EDGE.left - EDGE.right, height: canvas.clientHeight - EDGE.top - EDGE.bottom };
}

function inks(canvas) {
  const style = getComputedStyle(canvas);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--ink"), quiet: of("--quiet"), grid: of("--line"), card: of("--card"), bad: of("--bad"), rate: of("--graph-rate"), font: style.fontFamily, group: (index) => of(`--graph-${index}`) };
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

// 20, 30, 40, 60, 80, 100, 150, ...
function nice(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((n) => n * step).find((n) => n >= value);
}

function axes(pen, box, look, { top, most, words, y, rate, wanted }) {
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = Math.round(y(top * share)) + 0.5;
    pen.strokeStyle = look.grid;
    pen.globalAlpha = share ? 0.55 : 1;
    stroke(pen, [[box.x, at], [box.x + box.width, at]]);
    pen.globalAlpha = 1;
    if (share === 0.25 || share === 0.75) continue;
    pen.fillStyle = look.quiet;
    pen.textAlign = "right";
    pen.fillText(String(top * share), box.x - 5, at, EDGE.left - 6);
  }
  pen.fillText(words.ms, box.x - 5, 6);
  pen.textAlign = "left";
  pen.fillStyle = look.rate;
  const full = wanted || most / 1.15;
  if (full > 1) pen.fillText(String(Math.round(full)), box.x + box.width + 5, rate(full));
  pen.fillText(words.fps, box.x + box.width + 5, box.y + box.height);
  pen.fillStyle = look.quiet;
  pen.textBaseline = "alphabetic";
  pen.fillText(words.ago, box.x, box.y + box.height + 14);
  pen.textAlign = "right";
  pen.fillText(words.now, box.x + box.width, box.y + box.height + 14);
}

function said(pen, box, look, words) {
  pen.fillStyle = look.quiet;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(words, box.x + box.width / 2, box.y + box.height / 2);
}

// Samples that follow each other without a gap.
function split(samples) {
  const runs = [[]];
  for (const one of samples) {
    const run = runs.at(-1);
    const broken = one.empty || (run.length && one.at - run.at(-1).at > GAP_MS);
    if (broken && run.length) runs.push([]);
    if (!one.empty) runs.at(-1).push(one);
  }
  return runs.filter((run) => run.length);
}

function bands(pen, runs, look, x, y) {
  for (const run of runs) {
    const floor = run.map(() => 0);
    run[0].bands.forEach((_, group) => {
      const upper = run.map((one, i) => floor[i] + one.bands[group]);
      if (Math.max(...run.map((one) => one.bands[group])) > 0.05) {
        const outline = [...run.map((one, i) => [x(one.at), y(upper[i])]), ...run.map((one, i) => [x(one.at), y(floor[i])]).reverse()];
        pen.fillStyle = look.group(group);
        pen.beginPath();
        outline.forEach(([px, py]) => pen.lineTo(px, py));
        pen.fill();
        pen.strokeStyle = look.card; // a seam, for eyes that do not tell the colours apart
        pen.lineWidth = 1;
        pen.setLineDash([]);
        stroke(pen, run.map((one, i) => [x(one.at), y(upper[i])]));
      }
      upper.forEach((value, i) => (floor[i] = value));
    });
  }
}

function line(pen, run, x, y, ink, width, dash) {
  Object.assign(pen, { strokeStyle: ink, lineWidth: width, lineJoin: "round", lineCap: "round" });
  pen.setLineDash(dash);
  stroke(pen, run.map((one) => [x(one.at), y(one)]));
  pen.setLineDash([]);
}

function stroke(pen, points) {
  pen.beginPath();
  points.forEach(([px, py]) => pen.lineTo(px, py));
  pen.stroke();
}

// Told apart by shape: too slow, too late, a sink.
function mark(pen, look, x, y, shape) {
  pen.fillStyle = look.bad;
  pen.beginPath();
  if (shape === 0) [[x, y - 4], [x + 4.5, y + 4], [x - 4.5, y + 4]].forEach(([px, py]) => pen.lineTo(px, py));
  else if (shape === 1) pen.rect(x - 3.5, y - 3.5, 7, 7);
  else pen.arc(x, y, 4, 0, 2 * Math.PI);
  pen.fill();
}

function cross(pen, box, look, sample, x, y) {
  const at = Math.round(x(sample.at)) + 0.5;
  pen.strokeStyle = look.ink;
  pen.globalAlpha = 0.55;
  stroke(pen, [[at, box.y], [at, box.y + box.height]]);
  pen.globalAlpha = 1;
  if (sample.empty) return;
  for (const value of [sample.p50, sample.p95]) {
    pen.beginPath();
    pen.arc(at, y(value), 3.5, 0, 2 * Math.PI);
    pen.fillStyle = look.ink;
    pen.fill();
    pen.strokeStyle = look.card;
    pen.stroke();
  }
}
