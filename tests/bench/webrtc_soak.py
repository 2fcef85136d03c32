"""A daemon and a browser for a quarter of an hour: does latency grow, does memory, does the picture ever stand still?

    python -m tests.bench.webrtc_soak [--size 1280x720] [--fps 30] [--minutes 15] [--csv FILE]

Latency is what the browser shows, by the blocks in its pictures; slopes are of ten-second means, with the 95 % confidence
interval. A slope is flat when that holds zero. Memory is the daemon's resident size, its first fifth left out.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import Viewer, chromium
from livefuse.bench.webrtc.clocks import page_clock
from livefuse.bench.webrtc.figures import figures, first_showings
from livefuse.bench.webrtc.measure import Options, bench_environment, watch
from livefuse.bench.webrtc.process import use_of
from livefuse.bench.webrtc.rows import Noted, Shown, csv_text, shown_frames
from livefuse.bench.webrtc.servers import Server, server
from livefuse.bench.webrtc.trend import Slope, slope

_BLOCK_S = 10.0


def soak(viewer: Viewer, running: Server, seconds: float) -> tuple[list[Shown], list[tuple[float, int, float]]]:
    """All shown frames, and (seconds, resident bytes, processor seconds) of the daemon every ten seconds."""
    noted = Noted()
    uses = []
    pings = viewer.ping()
    began_s = time.monotonic()
    viewer.start()
    while (at_s := time.monotonic() - began_s) < seconds:
        viewer.wait(min(_BLOCK_S, seconds - at_s))
        noted.add(viewer.drain())
        use = use_of(running.process.pid)
        uses.append((time.monotonic() - began_s, use.rss_bytes, use.cpu_s))
    noted.add(viewer.stop())
    return shown_frames(noted, page_clock(pings + viewer.ping())), uses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, seconds=60 * asked.minutes, codec="h264")
    with chromium() as browser, server("livefuse", options.config()) as running:
        (viewer,) = watch(browser, running, options)
        viewer.wait(options.warm_up_s)
        rows, uses = soak(viewer, running, options.seconds)
        record = running.record()
        machine = bench_environment(browser.version)
    if asked.csv:
        asked.csv.write_text(csv_text(rows), "utf-8")
    print(json.dumps(judged(options, rows, uses) | {"session": record["frames"], "environment": machine}, indent=2))


def judged(options: Options, rows: list[Shown], uses: list[tuple[float, int, float]]) -> dict[str, Any]:
    found = figures(rows)
    first = [row for row in first_showings(rows) if row.captured_ns is not None and row.glass_ns is not None]
    due_s = [(row.captured_ns or 0) / 1e9 for row in first]
    late_ms = [(row.glass_ns or 0) / 1e6 for row in first]
    settled = uses[len(uses) // 5 :]
    memory = slope([at for at, _, _ in settled], [rss / 2**20 for _, rss, _ in settled], _BLOCK_S)
    (from_s, _, from_cpu_s), (to_s, _, to_cpu_s) = uses[0], uses[-1]
    return {
        "what": f"{options.width}x{options.height}@{options.fps}, {options.seconds / 60:g} min",
        "latency_ms_per_minute": _told(slope(due_s, late_ms, _BLOCK_S)),
        "memory_mib_per_minute": _told(memory),
        "memory_mib": {"first": round(settled[0][1] / 2**20, 1), "last": round(settled[-1][1] / 2**20, 1)},
        "daemon_cpu_s_per_s": round((to_cpu_s - from_cpu_s) / (to_s - from_s), 3),
        "figures": found.as_dict(),
    }


def _told(found: Slope) -> dict[str, Any]:
    bounds = [round(found.low, 4), round(found.high, 4)]
    return {"slope": round(found.per_minute, 4), "95%": bounds, "blocks": found.blocks, "flat": found.flat}


if __name__ == "__main__":
    main()
