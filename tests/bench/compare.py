"""What comparing costs: the daemon's processor time and the session's latency, with and without somebody who compares.

    python -m tests.bench.compare [--size 1280x720] [--fps 30] [--seconds 15] [--rounds 3]

One viewer watches all the time. In every other span the same page also asks for the comparison, with the daemon's token.
Spans take turns, so that whatever else the machine does meets both alike; counted are all threads of the daemon, by /proc.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import Viewer, chromium
from livefuse.bench.webrtc.measure import Options, bench_environment, watch
from livefuse.bench.webrtc.process import use_of
from livefuse.bench.webrtc.servers import Server, server

_COMPARE = """async (token) => {
  const { keep } = await import("/static/token.js");
  const { Whep } = await import("/static/whep.js");
  keep(token);
  window.compared ??= new Whep("/live/compare");
  window.compared.start();
}"""
_STOP = "window.compared?.stop()"
_LIVE = "window.compared.state === 'live'"
_JOIN_S, _SETTLE_S = 30.0, 2.0


def compare(viewer: Viewer, running: Server, on: bool) -> None:
    """Begin or end the comparison; returns when the daemon has done so."""
    viewer.evaluate(_COMPARE, running.token) if on else viewer.evaluate(_STOP)
    deadline_s = time.monotonic() + _JOIN_S
    while running.record()["comparing"] != int(on) or (on and not viewer.evaluate(_LIVE)):
        if time.monotonic() > deadline_s:
            raise SystemExit(f"the comparison did not {'begin' if on else 'end'} within {_JOIN_S:g} s")
        viewer.wait(0.2)
    viewer.wait(_SETTLE_S)


def span(viewer: Viewer, running: Server, seconds: float) -> dict[str, float]:
    """Processor time per second and per frame, frame rate, and the latency of the seconds in it."""
    before, began_s, out = use_of(running.process.pid), time.monotonic(), running.record()["frames"]["out"]
    latencies = []
    while time.monotonic() - began_s < seconds:
        viewer.wait(1.0)
        latencies.append(running.record()["recent"]["latency_ms"])
    took_s, after = time.monotonic() - began_s, use_of(running.process.pid)
    frames = max(1, running.record()["frames"]["out"] - out)
    cpu_s = after.cpu_s - before.cpu_s
    told = [latency for latency in latencies if latency]
    return {
        "cpu_s_per_s": cpu_s / took_s,
        "cpu_ms_per_frame": 1e3 * cpu_s / frames,
        "fps": frames / took_s,
        "rss_mib": after.rss_bytes / 2**20,
        **{f"latency_{p}_ms": statistics.median(latency[p] for latency in told) for p in ("p50", "p95") if told},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, codec="h264")
    spans: dict[str, list[dict[str, float]]] = {"watched": [], "compared": []}
    with chromium() as browser, server("livefuse", options.config()) as running:
        (viewer,) = watch(browser, running, options)
        viewer.wait(options.warm_up_s)
        for _ in range(asked.rounds):
            for name, on in (("watched", False), ("compared", True)):
                compare(viewer, running, on)
                spans[name].append(span(viewer, running, asked.seconds))
        machine = bench_environment(browser.version)
    rows: dict[str, Any] = {
        name: {key: round(statistics.median(one[key] for one in measured), 3) for key in measured[0]}
        for name, measured in spans.items()
    }
    rows["costs"] = {key: round(rows["compared"][key] - rows["watched"][key], 3) for key in rows["watched"]}
    print(json.dumps({"what": f"{width}x{height}@{asked.fps}", **rows, "environment": machine}, indent=2))


if __name__ == "__main__":
    main()
