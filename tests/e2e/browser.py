"""A real Chromium in a process of its own, for tests of the pages.

Any error on a page's console fails the test that opened it, unless the test said that it expects it.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from livefuse.frame import U8
from tests.e2e.serving import WAIT_S, Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
GONE = r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|SOCKET_NOT_CONNECTED)"
"""What Chromium itself writes to the console when a fetch finds nobody: no page can keep it from doing so."""

_GRAB = """() => {
  const video = document.querySelector('#video');
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL('image/png').split(',')[1];
}"""


def chromium() -> str:
    """The installed Chromium's path. Skips the test where it or playwright is missing."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for name in (os.environ.get("LIVEFUSE_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return found
    pytest.skip("no Chromium is installed: set LIVEFUSE_CHROMIUM to one")


class Pages:
    """Opens pages, and remembers every error on them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[re.Pattern[str]] = []
        self.errors: list[str] = []

    def open(self, url: str, *, ready: str = "load", **context: Any) -> Page:
        page = self.context(**context).new_page()
        page.goto(url, wait_until=ready)  # type: ignore[arg-type]
        return page

    def context(self, **options: Any) -> BrowserContext:
        context = self._browser.new_context(**options)
        context.on(
            "console", lambda said: self._heard(f"{said.text} {said.location['url']}") if said.type == "error" else None
        )
        context.on("weberror", lambda error: self._heard(f"uncaught: {error.error}"))
        self._contexts.append(context)
        return context

    def expect(self, pattern: str) -> None:
        """Errors like this one belong to the test."""
        self._allowed.append(re.compile(pattern))

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        self.check()

    def check(self) -> None:
        """Raises: AssertionError for errors that no test has expected."""
        unexpected = [error for error in self.errors if not any(p.search(error) for p in self._allowed)]
        assert not unexpected, "errors on the console:\n" + "\n".join(unexpected)

    def _heard(self, error: str) -> None:
        self.errors.append(error)


def until_state(page: Page, state: str, seconds: float = WAIT_S) -> None:
    """Wait for the player's (or publisher's) state."""
    try:
        page.wait_for_selector(f"html[data-state={state}]", state="attached", timeout=seconds * 1000)
    except Exception as error:
        words = page.locator("#words").text_content()
        pytest.fail(f"the page never was {state} within {seconds:g} s; it says {words!r} ({type(error).__name__})")


def shown_picture(page: Page) -> U8:
    """What the page's video shows. Shapes: (H, W, 3) uint8 RGB."""
    png = np.frombuffer(base64.b64decode(page.evaluate(_GRAB)), np.uint8)
    picture: U8 = cv2.cvtColor(np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR), np.uint8), cv2.COLOR_BGR2RGB)
    return picture


def frames_of(page: Page) -> int:
    """How many pictures the page's video has shown."""
    count: int = page.evaluate("document.querySelector('#video').getVideoPlaybackQuality().totalVideoFrames")
    return count


def note_instants(page: Page) -> None:
    """From now on, note when the page shows a picture."""
    page.evaluate("""() => {
        const video = document.querySelector('#video');
        globalThis.instants = [];
        const shown = (now) => { instants.push(now); video.requestVideoFrameCallback(shown); };
        video.requestVideoFrameCallback(shown);
    }""")


def gaps_ms(page: Page) -> list[float]:
    """Between pictures that were shown since `note_instants`, and from the last one until now."""
    instants = page.evaluate("[...instants, performance.now()]")
    return [after - before for before, after in pairwise(instants)]


def until_more_frames(page: Page, more: int = 10, seconds: float = WAIT_S) -> None:
    before = frames_of(page)
    until(lambda: frames_of(page) >= before + more, f"{more} further pictures", seconds)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file. Not longer: playwright's loop forbids `asyncio.run` while it lives."""
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def pages(browser: Browser) -> Iterator[Pages]:
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def standing_pages(browser: Browser) -> Iterator[Pages]:
    """For a page that all tests of a file use: to load one anew takes longer than most of them."""
    pages = Pages(browser)
    yield pages
    pages.close()


@pytest.fixture(scope="module")
def standing_daemon(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[Callable[[str], Daemon]]:
    """Starts a daemon for all tests of a file that leave it as it was."""
    folder = tmp_path_factory.mktemp("standing")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LIVEFUSE_")}
    environ = kept | {"LIVEFUSE_MODEL_MIRROR": str(shared / "models"), "LIVEFUSE_HOME": str(folder / "home")}
    started: list[Daemon] = []

    def start(config: str) -> Daemon:
        started.append(Daemon(folder, environ, config))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def daemon(
    tmp_path: Path, environ: dict[str, str], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Daemon]]:
    """Starts daemons with the configuration given; they end with the test. What the test itself swaps has the same models."""
    for name in ("LIVEFUSE_HOME", "LIVEFUSE_MODEL_MIRROR"):
        monkeypatch.setenv(name, environ[name])
    started: list[Daemon] = []

    def start(config: str) -> Daemon:
        folder = tmp_path / f"daemon-{len(started)}"
        folder.mkdir()
        started.append(Daemon(folder, environ, config))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()
