"""What a viewer costs the daemon: processor seconds per second for 1, 4 and 10 viewers of one session.

    python -m tests.bench.webrtc_viewers [--size 640x480] [--fps 30] [--seconds 20] [--viewers 1 4 10]

Viewers are real receivers: WebRTC connections of the player's own script in one page of headless Chromium, which decode and
send reports, but of which one is drawn. Counted are all threads of the daemon's process, by /proc; the camera, the swap and
the one encode are in every row alike, so the difference from row to row is what viewers cost.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import Viewer, chromium
from livefuse.bench.webrtc.measure import Options, bench_environment, watch
from livefuse.bench.webrtc.process import use_of
from livefuse.bench.webrtc.servers import Server, server

_JOIN = """async (missing) => {
  const { Whep } = await import("/static/whep.js");
  window.more ??= [];
  for (let i = 0; i < missing; i++) {
    const one = new Whep("/live/whep");
    window.more.push(one);
    one.start();
  }
}"""
_LIVE = "window.more.filter((one) => one.state === 'live').length"
_DECODED = """async () => {
  let frames = 0;
  for (const one of window.more) {
    for (const entry of (await one.connection.getStats()).values()) {
      if (entry.type === "inbound-rtp" && entry.kind === "video") frames += entry.framesDecoded;
    }
  }
  return frames;
}"""
_JOIN_S = 30.0
_SETTLE_S = 3.0


def joined(viewer: Viewer, more: int) -> None:
    """Have `more` connections beside the page's own, all of which bring pictures."""
    viewer.evaluate(_JOIN, more - int(viewer.evaluate("(window.more ?? []).length")))
    deadline_s = time.monotonic() + _JOIN_S
    while viewer.evaluate(_LIVE) < more:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"only {viewer.evaluate(_LIVE)} of {more} viewers see anything")
        viewer.wait(0.2)
    viewer.wait(_SETTLE_S)


def cost(viewer: Viewer, running: Server, seconds: float, more: int) -> dict[str, Any]:
    decoded = viewer.evaluate(_DECODED)
    before, began_s = use_of(running.process.pid), time.monotonic()
    out = running.record()["frames"]["out"]
    viewer.wait(seconds)
    took_s = time.monotonic() - began_s
    after, frames = use_of(running.process.pid), running.record()["frames"]["out"] - out
    return {
        "viewers": more + 1,
        "cpu_s_per_s": round((after.cpu_s - before.cpu_s) / took_s, 4),
        "cpu_ms_per_frame": round(1e3 * (after.cpu_s - before.cpu_s) / max(1, frames), 3),
        "rss_mib": round(after.rss_bytes / 2**20, 1),
        "fps_out": round(frames / took_s, 2),
        "fps_decoded_by_each": round((viewer.evaluate(_DECODED) - decoded) / took_s / more, 2) if more else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 4, 10])
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, codec="h264")
    rows = []
    with chromium() as browser, server("livefuse", options.config()) as running:
        (viewer,) = watch(browser, running, options)
        viewer.wait(options.warm_up_s)
        for count in sorted(asked.viewers):
            joined(viewer, count - 1)
            rows.append(cost(viewer, running, asked.seconds, count - 1))
        machine = bench_environment(browser.version)
    first = rows[0]
    for row in rows[1:]:
        more = row["viewers"] - first["viewers"]
        row["cpu_s_per_s_per_viewer"] = round((row["cpu_s_per_s"] - first["cpu_s_per_s"]) / more, 4)
        row["cpu_ms_per_frame_per_viewer"] = round((row["cpu_ms_per_frame"] - first["cpu_ms_per_frame"]) / more, 4)
    print(json.dumps({"what": f"{width}x{height}@{asked.fps}", "rows": rows, "environment": machine}, indent=2))


if __name__ == "__main__":
    main()
