"""From `livefuse` to a swapped picture: clicks and seconds, on a fresh machine and at the next start.

    python -m tests.bench.first_minutes [--runs 1] [--json]

Chromium runs already, the daemon's process does not. Cold: an empty LIVEFUSE_HOME, models from LIVEFUSE_MODEL_MIRROR. Warm: the
same home again. A picture counts as swapped when the page has shown one after the session said that one had left swapped.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.bare import Bare, bare
from tests.e2e.browser import ARGUMENTS, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_WAIT_S = 90.0
_FRAMES = "() => globalThis.studio?.stream?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
_ROWS = ("daemon answers", "page asks", "models fetched", "session runs", "first swapped picture seen")


class Run:
    """One start, timed from the launch of the process."""

    def __init__(self, served: Bare) -> None:
        self._served = served
        self.seconds: dict[str, float] = {"daemon answers": (served.ready_ns - served.began_ns) / 1e9}
        self.clicks = 0

    def note(self, what: str) -> None:
        self.seconds[what] = (time.monotonic_ns() - self._served.began_ns) / 1e9

    def click(self, page: Page, name: str) -> None:
        page.get_by_role("button", name=name, exact=True).click()
        self.clicks += 1

    def see(self, page: Page) -> None:
        """Until the page shows a swapped picture. Raises: SystemExit."""
        until(lambda: self._served.api("/sessions/live")["state"] == "running", "the session runs")
        self.note("session runs")
        until(lambda: self._served.swapped() > 0, "a swapped picture left")
        before = page.evaluate(_FRAMES)
        until(lambda: page.evaluate(_FRAMES) > before, "it was seen")
        self.note("first swapped picture seen")


def until(true: Callable[[], Any], what: str) -> None:
    """Raises: SystemExit."""
    ends = time.monotonic() + _WAIT_S
    while time.monotonic() < ends:
        if true():
            return
        time.sleep(0.02)
    raise SystemExit(f"not within {_WAIT_S:g} s: {what}")


def cold(browser: Browser, home: Path) -> Run:
    """The test picture is chosen: of a camera in a test nobody knows when a face is in it."""
    with bare(home, _environ()) as served:
        run = Run(served)
        page = browser.new_context(permissions=["camera"]).new_page()
        page.goto(served.page, wait_until="commit")
        page.get_by_role("heading", name="Your first swapped picture").wait_for(timeout=_WAIT_S * 1000)
        run.note("page asks")
        page.locator("[data-key^='synthetic:']").click()
        run.clicks += 1
        run.click(page, "Start")
        page.locator(".first-steps li[data-state=done]").first.wait_for(timeout=_WAIT_S * 1000)
        run.note("models fetched")
        run.see(page)
        page.context.close()
    return run


def warm(browser: Browser, home: Path) -> Run:
    with bare(home, _environ()) as served:
        run = Run(served)
        page = browser.new_context(permissions=["camera"]).new_page()
        page.goto(served.page, wait_until="commit")
        run.see(page)
        page.context.close()
    return run


def _environ() -> dict[str, str]:
    """Without this user's own settings."""
    kept = ("LIVEFUSE_MODEL_MIRROR", "LIVEFUSE_CHROMIUM")
    return {key: value for key, value in os.environ.items() if not key.startswith("LIVEFUSE_") or key in kept}


def table(runs: dict[str, list[Run]]) -> str:
    lines = [f"{'':28}" + "".join(f"{name:>10}" for name in runs)]
    lines.append(f"{'clicks':28}" + "".join(f"{some[0].clicks:>10}" for some in runs.values()))
    for row in _ROWS:
        cells = [[run.seconds[row] for run in some if row in run.seconds] for some in runs.values()]
        lines.append(
            f"{row + ', s':28}" + "".join(f"{statistics.median(c):>10.2f}" if c else f"{'':>10}" for c in cells)
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    runs: dict[str, list[Run]] = {"cold": [], "warm": []}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="livefuse-first-") as folder:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for number in range(asked.runs):
            home = Path(folder) / str(number)
            runs["cold"].append(cold(browser, home))
            runs["warm"].append(warm(browser, home))
        browser.close()
    if asked.json:
        print(
            json.dumps(
                {name: [{"clicks": r.clicks, "seconds": r.seconds} for r in some] for name, some in runs.items()}
            )
        )
    else:
        print(table(runs))


if __name__ == "__main__":
    main()
