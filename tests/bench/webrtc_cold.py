"""From nothing to a picture: seconds until `serve` is ready, and until a page shows the first swapped frame.

    python -m tests.bench.webrtc_cold [--size 640x480] [--runs 3]

The browser runs already, the daemon's process does not: the page is opened as soon as `/readyz` says 200. A frame counts as
swapped when it was captured after as many frames as the session says it covered, and after the fade.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import Chromium, Viewer, chromium
from livefuse.bench.webrtc.clocks import page_clock
from livefuse.bench.webrtc.measure import Options, bench_environment
from livefuse.bench.webrtc.rows import Shown, shown_frames
from livefuse.bench.webrtc.servers import server
from livefuse.config import Config

_WATCH_S = 6.0


def cold(browser: Chromium, options: Options) -> dict[str, Any]:
    with server("livefuse", options.config()) as running:
        opened_ns = time.monotonic_ns()
        viewer = browser.watch(running.page, options.width, options.height)
        viewer.start()
        rows = _shown(viewer)
        frames = running.record()["frames"]
        started_ns, ready_s = running.started_ns, running.ready_s
    whole = frames["unswapped"] + Config().swap.fade_frames
    stamped = [row for row in rows if row.id is not None]
    swapped = next((row for row in stamped if row.id is not None and row.id > whole), None)
    if swapped is None:
        raise SystemExit(f"no swapped frame within {_WATCH_S:g} s: {frames}")
    return {
        "ready_s": round(ready_s, 3),
        "first_picture_s": round((rows[0].shown_ns - started_ns) / 1e9, 3),
        "first_swapped_s": round((swapped.shown_ns - started_ns) / 1e9, 3),
        "page_to_swapped_s": round((swapped.shown_ns - opened_ns) / 1e9, 3),
        "not_swapped": frames["unswapped"],
        "first_id": swapped.id,
    }


def _shown(viewer: Viewer) -> list[Shown]:
    viewer.wait(_WATCH_S)
    noted = viewer.stop()
    return shown_frames(noted, page_clock(viewer.ping()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, codec="h264")
    with chromium() as browser:
        runs = [cold(browser, options) for _ in range(asked.runs)]
        machine = bench_environment(browser.version)
    medians = {name: round(statistics.median(run[name] for run in runs), 3) for name in ("ready_s", "first_swapped_s")}
    print(
        json.dumps({"what": f"{width}x{height}@30", "median": medians, "runs": runs, "environment": machine}, indent=2)
    )


if __name__ == "__main__":
    main()
