"""What the studio costs the browser: page weight, first paint, requests, and processor time while it is open.

    python -m tests.bench.studio [--size 1280x720] [--fps 30] [--seconds 15] [--loads 5]

Loads are cold (a context of its own each) and then warm (the same context again). The processor time is that of all of
Chromium's processes, by /proc, with the studio, with the bare player of the same session, and with an empty page, in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import find_chromium
from livefuse.bench.webrtc.measure import Options, bench_environment
from livefuse.bench.webrtc.process import use_of
from livefuse.bench.webrtc.servers import Server, server
from livefuse.errors import DaemonUnreachable
from tests.e2e.browser import ARGUMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

_READY = "html[data-ready=all]"
_PAINT = "Object.fromEntries(performance.getEntriesByType('paint').map((e) => [e.name, e.startTime]))"
_SHOWN = "document.querySelector('#stage video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"


def until(page: Page, condition: str) -> None:
    """Poll from here: the page's policy forbids what waits inside it by evaluating text."""
    deadline_s = time.monotonic() + 30
    while not page.evaluate(condition):
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not within 30 s: {condition}")
        page.wait_for_timeout(10)


def loaded(context: BrowserContext, url: str) -> dict[str, float]:
    """One load of the page: bytes over the wire, requests, and instants in milliseconds since it was asked for."""
    page = context.new_page()
    wire = {"bytes": 0.0, "requests": 0.0}
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")

    def count(told: dict[str, Any]) -> None:
        wire["bytes"] += told["encodedDataLength"]
        wire["requests"] += 1

    devtools.on("Network.loadingFinished", count)
    began_s = time.monotonic()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(_READY, state="attached")
    ready_ms = 1e3 * (time.monotonic() - began_s)
    until(page, f"({_SHOWN}) > 0")
    picture_ms = 1e3 * (time.monotonic() - began_s)
    paint = page.evaluate(_PAINT)
    page.close()
    return {
        "KiB": wire["bytes"] / 1024,
        "requests": wire["requests"],
        "first paint ms": paint.get("first-contentful-paint", float("nan")),
        "panels ready ms": ready_ms,
        "first picture ms": picture_ms,
    }


def chromium_pids() -> Iterator[int]:
    """Chromium's processes below this one."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
    for pid in parents:
        above, line = pid, []
        while above in parents and above != os.getpid():
            line.append(above)
            above = parents[above]
        if above == os.getpid() and "chrom" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode():
            yield pid


def used() -> dict[int, float]:
    """Processor seconds so far, by process."""
    seconds = {}
    for pid in chromium_pids():
        with suppress(DaemonUnreachable):  # it has just ended
            seconds[pid] = use_of(pid).cpu_s
    return seconds


def busy(page: Page, seconds: float) -> float:
    """Processor seconds per second of all of Chromium; of processes that come and go, what was seen of them."""
    before, began_s = used(), time.monotonic()
    page.wait_for_timeout(1e3 * seconds)
    after = used()
    return sum(after[pid] - before.get(pid, 0.0) for pid in after) / (time.monotonic() - began_s)


def costs(browser: Browser, running: Server, token: str, seconds: float) -> list[dict[str, Any]]:
    rows = []
    pages = {"empty page": "about:blank", "player": f"{running.url}/live", "studio": f"{running.url}/#token={token}"}
    for name, url in pages.items():
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(url)
        page.wait_for_timeout(4000)
        rows.append({"page": name, "cpu_s_per_s": round(busy(page, seconds), 3)})
        context.close()
    return rows


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--loads", type=int, default=5)
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, codec="h264")
    with server("livefuse", options.config()) as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        url = f"{running.url}/#token={running.token}"
        cold, warm = [], []
        for _ in range(asked.loads):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            cold.append(loaded(context, url))
            warm.append(loaded(context, url))
            context.close()
        rows = costs(browser, running, running.token, asked.seconds)
        version = browser.version
        browser.close()
    print(f"{'':18}{'cold':>10}{'warm':>10}   (medians of {asked.loads})")
    for name in cold[0]:
        said = [statistics.median(one[name] for one in loads) for loads in (cold, warm)]
        print(f"{name:18}{said[0]:10.1f}{said[1]:10.1f}")
    print(
        json.dumps(
            {"what": f"{width}x{height}@{asked.fps}", "cpu": rows, "environment": bench_environment(version)}, indent=2
        )
    )


if __name__ == "__main__":
    main()
