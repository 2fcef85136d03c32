"""What viewers see while no session shows anything: a slate, twice a second, as long as somebody watches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from livefuse.clock import Clock
from livefuse.frame import Colour, HostFrame

log = logging.getLogger("livefuse")

_EVERY_S = 0.5
_SIZE_PX = (1280, 720)

Show = Callable[[Callable[[], HostFrame]], None]
Draw = Callable[[int, int, str], HostFrame]
"""Height, width, words."""


class Slates:
    """A thread that lives only while there is something to do. Each slate is drawn once."""

    def __init__(self, show: Show, clock: Clock, draw: Draw | None = None) -> None:
        self._show, self._clock, self._draw = show, clock, draw or _plain
        self._words, self._size_px = "", _SIZE_PX
        self._drawn: HostFrame | None = None
        self._wanted = False
        self._thread: threading.Thread | None = None
        self._hurried = threading.Event()
        self._lock = threading.Lock()

    def say(self, words: str) -> None:
        with self._lock:
            self._words, self._drawn = words, None
        self._hurried.set()

    def fit(self, width: int, height: int) -> None:
        """Slates have the size of the pictures before them, so that viewers see no change of size."""
        with self._lock:
            self._size_px, self._drawn = (width, height), None

    def show(self, wanted: bool) -> None:
        """Begin or stop; returns at once."""
        with self._lock:
            self._wanted = wanted
            if wanted and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="livefuse-slates", daemon=True)
                self._thread.start()
        self._hurried.set()

    def hurry(self) -> None:
        """Show the next one now: somebody waits for a key frame."""
        self._hurried.set()

    def close(self) -> None:
        self.show(False)
        thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while self._goes_on():
            self._hurried.clear()
            try:
                self._show(self._slate)
            except Exception:  # an encoder that failed once may not again, and viewers are still there
                log.exception("webrtc: a slate could not be shown")
            self._hurried.wait(_EVERY_S)

    def _goes_on(self) -> bool:
        with self._lock:
            if not self._wanted:
                self._thread = None
            return self._wanted

    def _slate(self) -> HostFrame:
        with self._lock:
            words, (width, height), drawn = self._words, self._size_px, self._drawn
        if drawn is None:
            drawn = self._draw(height, width, words)
            with self._lock:
                if (words, (width, height)) == (self._words, self._size_px):
                    self._drawn = drawn
        return replace(drawn, pts_ns=self._clock.now_ns())


def _plain(height: int, width: int, words: str) -> HostFrame:
    from livefuse.composite.slate import slate

    return slate("yuv420p", height, width, Colour(), words)
