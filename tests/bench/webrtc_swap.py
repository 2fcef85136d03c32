"""The identity changed while a browser watches: the longest gap between shown frames around each change.

    python -m tests.bench.webrtc_swap [--size 640x480] [--fps 30] [--changes 8] [--every 4]

Through the API, to and fro between two identities that are drawn. A gap belongs to a change if it touches the time from the
request to a second after its answer; gaps at all other times are the control.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import chromium
from livefuse.bench.webrtc.clocks import page_clock
from livefuse.bench.webrtc.figures import figures
from livefuse.bench.webrtc.measure import Options, bench_environment, watch
from livefuse.bench.webrtc.rows import Shown, shown_frames
from livefuse.bench.webrtc.servers import Server, server

_AFTER_NS = 1_000_000_000
_IDENTITIES = ("synthetic:11", "synthetic:7")


def change(running: Server, photo: str) -> dict[str, Any]:
    """The request's instants and what the daemon made of it."""
    began_ns = time.monotonic_ns()
    body = {"identity": {"photo": photo, "consent": "synthetic"}}
    told = running.call("PATCH", "/api/sessions/live", body)
    return {"photo": photo, "began_ns": began_ns, "ended_ns": time.monotonic_ns(), **told}


def gaps_around(rows: Sequence[Shown], changes: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """(longest gap of each change, all gaps that touch none), ms."""
    longest = [0.0] * len(changes)
    others = []
    for a, b in pairwise(rows):
        gap_ms = (b.shown_ns - a.shown_ns) / 1e6
        touched = [
            i for i, c in enumerate(changes) if b.shown_ns > c["began_ns"] and a.shown_ns < c["ended_ns"] + _AFTER_NS
        ]
        for i in touched:
            longest[i] = max(longest[i], gap_ms)
        if not touched:
            others.append(gap_ms)
    return longest, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--changes", type=int, default=8)
    parser.add_argument("--every", type=float, default=4.0, metavar="S")
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, codec="h264")
    with chromium() as browser, server("livefuse", options.config()) as running:
        (viewer,) = watch(browser, running, options)
        viewer.wait(options.warm_up_s)
        pings = viewer.ping()
        viewer.start()
        changes = []
        for i in range(asked.changes):
            viewer.wait(asked.every)
            changes.append(change(running, _IDENTITIES[i % 2]))
        viewer.wait(asked.every)
        rows = shown_frames(viewer.stop(), page_clock(pings + viewer.ping()))
        machine = bench_environment(browser.version)
    longest, others = gaps_around(rows, changes)
    told = [
        {
            "photo": one["photo"],
            "answered_ms": round((one["ended_ns"] - one["began_ns"]) / 1e6, 1),
            "live": one["live"],
            "restarted": one["restarted"],
            "longest_gap_ms": round(gap, 1),
            "frame_times": round(gap / options.frame_ms, 2),
        }
        for one, gap in zip(changes, longest, strict=True)
    ]
    worst, control = max(longest), max(others, default=0.0)
    print(
        json.dumps(
            {
                "what": f"{width}x{height}@{asked.fps}, {asked.changes} changes",
                "changes": told,
                "longest_frame_times": round(worst / options.frame_ms, 2),
                "longest_elsewhere_frame_times": round(control / options.frame_ms, 2),
                "figures": figures(rows).as_dict(),
                "environment": machine,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
