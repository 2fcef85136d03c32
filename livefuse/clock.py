"""Time: the clock that everything reads, the marks a frame collects on its way, and percentiles of them."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np


class Clock(Protocol):
    """Nanoseconds from an arbitrary origin that never go backwards."""

    def now_ns(self) -> int: ...

    def wait_until(self, deadline_ns: int, stop: threading.Event) -> bool:
        """Sleep until `deadline_ns`; False at once when `stop` is set."""
        ...


class MonotonicClock:
    """The machine's monotonic clock."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wait_until(self, deadline_ns: int, stop: threading.Event) -> bool:
        while (left := deadline_ns - time.monotonic_ns()) > 0:
            if stop.wait(left / 1e9):
                return False
        return not stop.is_set()


class ManualClock:
    """A clock that moves only when told to, or when somebody waits on it: sessions under test run in no time."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        with self._lock:
            return self._now_ns

    def advance(self, by_ns: int) -> None:
        with self._lock:
            self._now_ns += by_ns

    def wait_until(self, deadline_ns: int, stop: threading.Event) -> bool:
        with self._lock:
            self._now_ns = max(self._now_ns, deadline_ns)
        return not stop.is_set()


class LatencyTrace:
    """The instants of one frame, from the scheduled capture to the sink's hand-over.

    Each mark ends the stage of its name, so stage times sum to the total by construction.
    """

    __slots__ = ("marks", "start_ns")

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.marks: list[tuple[str, int]] = []

    def mark(self, stage: str, now_ns: int) -> None:
        self.marks.append((stage, now_ns))

    def fork(self) -> LatencyTrace:
        """A copy for one sink: its own waiting and writing must not show up in another sink's record."""
        copy = LatencyTrace(self.start_ns)
        copy.marks = list(self.marks)
        return copy

    @property
    def total_ns(self) -> int:
        return self.marks[-1][1] - self.start_ns if self.marks else 0

    def stages_ns(self) -> dict[str, int]:
        stages: dict[str, int] = {}
        before = self.start_ns
        for stage, at in self.marks:
            stages[stage] = stages.get(stage, 0) + at - before
            before = at
        return stages


class Reservoir:
    """The last `capacity` values of a measure, in fixed memory, with the all-time count and maximum."""

    def __init__(self, capacity: int = 4096) -> None:
        self._values = np.zeros(capacity, np.float64)
        self.count = 0
        self.maximum = 0.0

    def add(self, value: float) -> None:
        self._values[self.count % len(self._values)] = value
        self.count += 1
        self.maximum = max(self.maximum, value)

    def recent(self, n: int | None = None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The values held, oldest first; the last `n` of them if given."""
        size = len(self._values)
        turn = self.count % size if self.count > size else 0
        values = np.roll(self._values, -turn)[: min(self.count, size)]
        return values if n is None else values[-n:]

    def percentiles(self, ps: Sequence[float] = (50, 95, 99)) -> list[float]:
        """Linear-interpolated percentiles of what is held; zeros while nothing is."""
        held = self._values[: min(self.count, len(self._values))]
        return [float(v) for v in np.percentile(held, list(ps))] if len(held) else [0.0] * len(ps)


BUCKETS_S = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.05, 0.1, 0.25)
"""Upper bounds of the buckets that times are counted in, as Prometheus wants them; a last one takes what is longer."""


class Buckets:
    """How often a time fell between which bounds, ever since. Source: Prometheus' histogram."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sum_s += seconds

    def snapshot(self) -> tuple[list[int], float, int]:
        """Cumulative counts, one per bound; the sum in seconds; the count of all."""
        total = list(accumulate(self.counts))
        return total[:-1], self.sum_s, total[-1]
