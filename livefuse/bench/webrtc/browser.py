"""Headless Chromium that watches a session: the rows that `reader.js` notes of every shown frame, and the browser's clock."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livefuse.bench.webrtc.clocks import Ping
from livefuse.bench.webrtc.rows import Noted
from livefuse.errors import ConfigError, PeerError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

READER = Path(__file__).with_name("reader.js")
BROWSER_VARIABLE = "LIVEFUSE_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # names that only multicast could look up
    "--disable-gpu",  # a software GL would draw the page on the cores that are measured
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)
_PINGS = 60
_FIRST_FRAME_S = 30.0
_LOOK_S = 0.05
_DUMMY_PX = 2  # a video that waits for its first frame has this size


class Viewer:
    """One page that plays a session."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        page.add_init_script(path=READER)
        page.goto(url)

    def wait_for_picture(self) -> None:
        """Raises: PeerError if none comes in time."""
        deadline_s = time.monotonic() + _FIRST_FRAME_S
        # asked from here: the page's content security policy keeps it from evaluating what would wait inside of it
        while self._page.evaluate("document.querySelector('video')?.videoWidth ?? 0") <= _DUMMY_PX:
            if time.monotonic() > deadline_s:
                raise PeerError(
                    f"no picture within {_FIRST_FRAME_S:g} s; the page's connection: {self.stats()}",
                    hint="open the page in a browser of your own: its status line says what is missing",
                )
            self.wait(_LOOK_S)

    def native_size(self) -> None:
        """Show the video as large as it is: nothing but the picture's own pixels are composed."""
        self._page.evaluate(
            "(() => { const v = document.querySelector('video'); v.style.cssText = `position: fixed; inset: 0 auto auto 0;"
            "max-width: none; max-height: none; width: ${v.videoWidth}px; height: ${v.videoHeight}px`; })()"
        )

    def ping(self, count: int = _PINGS) -> list[Ping]:
        """Round trips over the browser's own control connection, to learn how its clock lies to ours."""
        pings = []
        for _ in range(count):
            before_ns = time.monotonic_ns()
            page_ms = float(self._page.evaluate("performance.now()"))
            pings.append(Ping(before_ns, page_ms, time.monotonic_ns()))
        return pings

    def start(self) -> None:
        """Begin to note frames; what was noted before is forgotten."""
        self._page.evaluate("window.livefuseBench.start()")

    def drain(self) -> Noted:
        """What was noted since the last time, while noting goes on. Raises: PeerError as `stop`."""
        return self._noted("drain")

    def stop(self) -> Noted:
        """What was noted since `start`. Raises: PeerError if frames could not be read at all."""
        return self._noted("stop")

    def evaluate(self, script: str, given: object = None) -> Any:
        """Run a script in the page; what it answers."""
        return self._page.evaluate(script, given)

    def _noted(self, how: str) -> Noted:
        noted = self._page.evaluate(f"window.livefuseBench.{how}()")
        if noted["errors"] and not noted["rows"]:
            raise PeerError(
                f"the page could not read its frames: {noted['errors'][0]}", hint="Chromium 94 or newer is needed"
            )
        return Noted(noted["rows"], noted["refreshes"])

    def stats(self) -> dict[str, Any]:
        """getStats of the received video: `video`, `pair`, `codec`, each None where there is none."""
        return dict(self._page.evaluate("window.livefuseBench.stats()") or {})

    def wait(self, seconds: float) -> None:
        self._page.wait_for_timeout(seconds * 1e3)

    def picture(self, path: Path) -> None:
        """A screenshot of the page."""
        self._page.screenshot(path=path)

    def close(self) -> None:
        self._page.close()


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser, executable: str) -> None:
        self._browser = browser
        self.version = f"{browser.browser_type.name} {browser.version} ({executable})"

    def watch(self, url: str, width: int, height: int) -> Viewer:
        """A new page on `url`, in a window that has room for the whole picture."""
        return Viewer(self._browser.new_page(viewport={"width": width, "height": height}), url)


def find_chromium() -> str | None:
    """The Chromium to drive: LIVEFUSE_CHROMIUM, else the system's; None leaves it to Playwright's own."""
    named = os.environ.get(BROWSER_VARIABLE)
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Raises: ConfigError if Playwright or a Chromium is missing."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise ConfigError("Playwright is not installed", hint="pip install 'livefuse[browser]'") from error
    executable = find_chromium()
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=list(_FLAGS))
        except Error as error:
            raise ConfigError(
                f"Chromium does not start: {error.message.splitlines()[0]}",
                hint=f"install Chromium, or `playwright install chromium`, or name one with {BROWSER_VARIABLE}",
            ) from error
        try:
            yield Chromium(browser, executable or "Playwright's")
        finally:
            browser.close()
