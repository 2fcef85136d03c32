// The publisher of one session: `/NAME/publish`. Camera in, swapped picture back.

import { ask } from "./peer.js";
import { carrying, keep, token } from "./token.js";
import { Whep } from "./whep.js";
import { Whip, bitrate } from "./whip.js";

const at = (id) => document.getElementById(id);
const base = location.pathname.replace(/\/publish\/?$/, "");
const name = decodeURIComponent(base.split("/").pop());
const [whip, whep] = [new Whip(`${base}/whip`), new Whep(`${base}/whep`)];
const session = `/api/sessions/${encodeURIComponent(name)}`;
let [stream, starting] = [null, false];

document.title = `Publish to ${name} · livefuse`;
at("name").textContent = name;
at("to-player").href = carrying(base);
at("to-index").href = carrying("/");

// --- what can be wrong, in words -----------------------------------------------------------------------------------

function say(words = "", hint = "") {
  at("problem").hidden = !words;
  at("problem-words").textContent = words;
  at("problem-hint").textContent = hint;
}

const INSECURE = [
  "The browser gives no camera to this page",
  "Cameras need HTTPS, or an address on this very machine: open the page as http://localhost, through `ssh -L`, or with TLS in front.",
];
const CAMERA_FAULTS = {
  NotAllowedError: ["The camera was not allowed", "Allow camera (and microphone) for this page: the symbol beside the address, then Start again."],
  NotFoundError: ["No camera was found", "Plug one in, or switch off the microphone if only that is missing."],
  NotReadableError: ["The camera is in use or does not answer", "Close the program that uses it, then Start again."],
  OverconstrainedError: ["This camera cannot do that size or frame rate", "Choose a smaller size or fewer frames per second."],
  AbortError: ["The camera stopped", "Unplug it and plug it in again, then Start."],
};

function explain(error) {
  const [words, hint] = CAMERA_FAULTS[error.name] ?? [error.message, error.hint ?? ""];
  say(words, hint);
  if (error.needsToken) askToken();
}

function askToken() {
  at("token-form").hidden = false;
  at("token").focus();
}

// --- camera --------------------------------------------------------------------------------------------------------

async function listCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === "videoinput");
  const chosen = at("camera").value;
  const options = cameras.map((camera, i) => new Option(camera.label || `Camera ${i + 1}`, camera.deviceId));
  at("camera").replaceChildren(...(options.length ? options : [new Option("No camera", "")]));
  if (options.some((option) => option.value === chosen)) at("camera").value = chosen;
}

async function openCamera() {
  closeCamera();
  const [width, height] = at("size").value.split("x").map(Number);
  const camera = at("camera").value;
  stream = await navigator.mediaDevices.getUserMedia({
    video: {
      width: { ideal: width },
      height: { ideal: height },
      frameRate: { ideal: Number(at("fps").value) },
      ...(camera ? { deviceId: { exact: camera } } : {}),
    },
    audio: at("microphone").checked && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  at("preview").srcObject = stream;
  for (const track of stream.getTracks()) track.addEventListener("ended", lost);
  const got = stream.getVideoTracks()[0].getSettings();
  const rate = Math.round(got.frameRate ?? Number(at("fps").value));
  const bits = bitrate(got.width, got.height, rate) / 1e6;
  at("note").hidden = false;
  at("note").textContent = `The camera gives ${got.width} × ${got.height} at ${rate} frames per second; sent with up to ${bits.toFixed(1)} Mb/s.`;
  await listCameras(); // labels are told only once a camera was allowed
}

function closeCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  at("preview").srcObject = null;
}

function lost() {
  if (!stream) return;
  stop();
  say("The camera went away", "Plug it in again, then Start.");
}

// --- start, stop ---------------------------------------------------------------------------------------------------

async function start() {
  say();
  if (!navigator.mediaDevices?.getUserMedia) return say(...INSECURE);
  if (!token()) {
    say("Publishing needs the daemon's token", "`livefuse serve` prints an address that carries it.");
    return askToken();
  }
  if (starting) return;
  starting = true; // not `disabled`: the button would lose the focus
  at("start").setAttribute("aria-busy", "true");
  try {
    await openCamera();
    await whip.start(stream);
  } catch (error) {
    closeCamera();
    explain(error);
  } finally {
    starting = false;
    at("start").removeAttribute("aria-busy");
  }
}

function stop() {
  at("take-over").hidden = true;
  whip.stop();
  whep.stop();
  closeCamera();
  at("note").hidden = true;
}

const words = { idle: "Not publishing", connecting: "Connecting", live: "Publishing", failed: "Not publishing" };

whip.addEventListener("state", () => {
  const running = whip.state === "live" || whip.state === "connecting";
  at("status").dataset.state = document.documentElement.dataset.state = whip.state;
  at("words").textContent = [words[whip.state], whip.reason].filter(Boolean).join(": ");
  const focused = document.activeElement === at("start") || document.activeElement === at("stop");
  at("start").hidden = running;
  at("stop").hidden = !running;
  if (focused) at(running ? "stop" : "start").focus();
  for (const field of ["camera", "size", "fps", "microphone"]) at(field).disabled = running;
  if (whip.state === "live") {
    whep.start();
    tellSource();
  }
  if (whip.state === "failed") {
    whep.stop();
    closeCamera();
    explain(Object.assign(new Error(whip.reason), { hint: whip.hint }));
  }
});

// A session that takes its pictures from elsewhere accepts a publisher, and shows nothing of him.
async function tellSource() {
  const told = await ask(session).then((r) => r.json()).catch(() => null);
  const other = told && !String(told.source).startsWith("webrtc:");
  at("take-over").hidden = !other;
  if (other) say(`This session takes its pictures from ${told.source}`, "What you publish is not shown until its source is webrtc:");
}

async function takeOver() {
  at("take-over").setAttribute("aria-busy", "true");
  try {
    const body = JSON.stringify({ source: "webrtc:" });
    await ask(session, { method: "PATCH", headers: { "Content-Type": "application/json" }, body, signal: AbortSignal.timeout(60000) });
    if (document.activeElement === at("take-over")) at("stop").focus();
    at("take-over").hidden = true;
    say();
  } catch (error) {
    explain(error);
  } finally {
    at("take-over").removeAttribute("aria-busy");
  }
}

// --- the picture that comes back -----------------------------------------------------------------------------------

whep.addEventListener("stream", () => {
  at("swapped").srcObject = whep.stream;
});

whep.addEventListener("state", () => {
  at("back").dataset.state = whep.state;
  const now = { idle: "What viewers see", live: "What viewers see, live" }[whep.state] ?? `What viewers see: ${whep.state}`;
  at("back-words").textContent = [now, whep.reason].filter(Boolean).join(": ");
  if (whep.state === "idle") at("swapped").srcObject = null;
});

// --- events of the page --------------------------------------------------------------------------------------------

at("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
at("stop").addEventListener("click", stop);
at("take-over").addEventListener("click", takeOver);
at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(at("token").value);
  at("token").value = "";
  at("token-form").hidden = true;
  at("to-player").href = carrying(base);
  at("to-index").href = carrying("/");
  say();
  at("start").focus();
});
addEventListener("pagehide", stop);

if (navigator.mediaDevices?.enumerateDevices) {
  listCameras().catch(explain);
  navigator.mediaDevices.addEventListener("devicechange", () => listCameras().catch(explain));
} else {
  say(...INSECURE);
}
if (!token()) askToken();
globalThis.livefuse = { whip, whep };
