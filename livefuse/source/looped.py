"""A file that begins again when it ends: for a daemon that shows it as long as anybody likes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from livefuse.frame import HostFrame
from livefuse.source.base import Source


class LoopedSource:
    """Goes on with whole time stamps where the pass before ended. `again` opens the file anew; its sound is left out."""

    def __init__(self, source: Source, again: Callable[[], Source]) -> None:
        self._source, self._again = source, again
        self._lock, self._closed = threading.Lock(), False
        self._read_once = False
        self._shift_ns = self._end_ns = 0
        self._interval_ns = round(1_000_000_000 / source.info.fps)
        self.info = replace(source.info, frames=0, duration_ns=0, audio=False, path="")

    def read(self) -> HostFrame | None:
        frame = self._source.read()
        if frame is None and self._read_once:  # what gives nothing at all must not be opened for ever
            frame = self._begin_again()
        if frame is None:
            return None
        self._read_once = True
        pts_ns = frame.pts_ns + self._shift_ns
        self._end_ns = pts_ns + (frame.duration_ns or self._interval_ns)
        return replace(frame, pts_ns=pts_ns)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._source.close()

    def _begin_again(self) -> HostFrame | None:
        with self._lock:
            if self._closed:
                return None
            self._source.close()
            self._source = self._again()
        self._shift_ns, self._read_once = self._end_ns, False
        return self._source.read()
