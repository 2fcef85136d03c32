"""How fast a job goes, and how long it has left: measured over its last seconds, never assumed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

_WINDOW_S = 8.0
_LEAST_S = 0.8  # before that, no rate is worth saying
_WAITING = ("capture", "queue", "overlap", "lane", "wait")
"""Times in a record in which a frame waits for others; the rest is work."""
_FED = 0.5


class Pace:
    """Work done over time. What was there before the first call counts for nothing, so that loading models or resuming a
    download makes nobody believe in a rate that never was."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._seen: deque[tuple[float, int]] = deque()

    def __call__(self, done: int) -> None:
        """So much is done by now."""
        now_s = self._clock_s()
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # it began anew
        self._seen.append((now_s, done))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _WINDOW_S:
            self._seen.popleft()

    @property
    def per_s(self) -> float | None:
        """The rate; None while it is not known."""
        if len(self._seen) < 2:
            return None
        (began_s, before), (now_s, done) = self._seen[0], self._seen[-1]
        took_s = now_s - began_s
        return (done - before) / took_s if took_s >= _LEAST_S and done > before else None

    def left_s(self, total: int | None) -> float | None:
        """How long the rest takes at this rate; None while that is not known."""
        rate = self.per_s
        if not total or rate is None:
            return None
        return round(max(0, total - self._seen[-1][1]) / rate, 1)


def bottleneck(stages_ms: Mapping[str, Mapping[str, float]]) -> tuple[str, float | None]:
    """The stage that the others wait for, and its median time: `source` where frames never queue, `sink` where they wait to
    leave, else the longest piece of work. Empty while there is no record."""
    median = {name: spread["p50"] for name, spread in stages_ms.items()}
    work = {name: ms for name, ms in median.items() if name not in _WAITING}
    if not work:
        return "", None
    slowest = max(work, key=work.__getitem__)
    if median.get("wait", 0.0) > sum(work.values()):
        return "sink", work.get("sink")
    if median.get("queue", 0.0) < _FED * work[slowest]:
        return "source", None
    return slowest, work[slowest]
