"""Another face by key while somebody watches: the longest time between two pictures that the studio shows.

    python -m tests.bench.studio_keys [--size 1280x720] [--fps 30] [--changes 12]

Real Chromium shows the studio; the number keys put one face after the other on. Beside the gaps around each change stand those
of as long a stretch in which nothing is pressed: what the machine does by itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import TYPE_CHECKING

from livefuse.bench.clip import parse_resolution
from livefuse.bench.webrtc.browser import find_chromium
from livefuse.bench.webrtc.measure import Options
from livefuse.bench.webrtc.servers import server
from tests.bench.studio import until
from tests.e2e.browser import ARGUMENTS

if TYPE_CHECKING:
    from playwright.sync_api import Page

_AROUND_MS = 1500
_NOTE = """() => {
    const video = studio.stream;
    globalThis.instants = [];
    const shown = (now) => { instants.push(now); video.requestVideoFrameCallback(shown); };
    video.requestVideoFrameCallback(shown);
}"""
_LONGEST = "(since) => Math.max(...instants.filter((at) => at > since).map((at, n, all) => (n ? at - all[n - 1] : 0)))"
_IDENTITY = "studio.summary?.identity ?? ''"


def longest_ms(page: Page, key: str) -> float:
    """The longest gap from shortly before a key until well after it."""
    since = page.evaluate("performance.now()")
    page.wait_for_timeout(200)
    if key:
        before = page.evaluate(_IDENTITY)
        page.keyboard.press(key)
        until(page, f"({_IDENTITY}) !== {json.dumps(before)}")
    page.wait_for_timeout(_AROUND_MS)
    return float(page.evaluate(_LONGEST, since))


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--changes", type=int, default=12)
    asked = parser.parse_args()
    width, height = parse_resolution(asked.size)
    options = Options(width, height, asked.fps, codec="h264")
    with server("livefuse", options.config()) as running, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{running.url}/#token={running.token}")
        page.wait_for_selector("html[data-ready=all]", state="attached")
        until(page, "studio.stream?.getVideoPlaybackQuality().totalVideoFrames > 60")
        page.evaluate(_NOTE)
        still, changed = [], []
        for number in range(asked.changes):
            still.append(longest_ms(page, ""))
            changed.append(longest_ms(page, str(1 + number % 3)))
        browser.close()
    period = 1e3 / asked.fps
    print(f"{width}x{height}@{asked.fps}, {asked.changes} changes by key; a frame is {period:.1f} ms")
    for name, gaps in (("around a change", changed), ("nothing pressed", still)):
        print(
            f"{name:18}longest gap: median {statistics.median(gaps):6.1f} ms, worst {max(gaps):6.1f} ms ({max(gaps) / period:.1f} frames)"
        )


if __name__ == "__main__":
    main()
