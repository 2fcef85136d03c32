"""The sink that keeps nothing: for tests, benchmarks and runs of which only the numbers matter."""

from __future__ import annotations

import time

from livefuse.frame import HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.url import SinkUrl


class NullSink:
    """Counts frames; `sleep_ms` makes it a slow sink."""

    name = "null"

    def __init__(self, sleep_ms: int = 0) -> None:
        self.frames = 0
        self._sleep_ms = sleep_ms

    @classmethod
    def from_url(cls, url: SinkUrl) -> NullSink:
        return cls(int(url.options.get("sleep_ms", "0")))

    def open(self, info: StreamInfo) -> None:
        self.frames = 0

    def write(self, frame: HostFrame) -> None:
        if self._sleep_ms:
            time.sleep(self._sleep_ms / 1e3)
        self.frames += 1

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to remove."""
