"""Sound by the instant it belongs to: written as it comes, read later, at the picture's pace.

Nothing is resampled. Where writer and reader drift apart by more than `SLACK_NS` they are tied together anew, by silence
or by leaving something out; drifts of cheap clocks (50 ppm) need that every quarter of an hour.
"""

from __future__ import annotations

import threading

import numpy as np

from livefuse.webrtc.opus import CHANNELS, HZ, I16

SLACK_NS = 40_000_000
"""Less is not noticed as being out of step. Source: ITU-R BT.1359, detectable from 45 ms early."""

_CAPACITY = 2 * HZ
_LEAK_NS = 20_000
_STRANGE_NS = 1_000_000_000  # another sender, or one that started over


def samples_in(ns: int) -> int:
    return ns * HZ // 1_000_000_000


_SLACK = samples_in(SLACK_NS)


class SoundLine:
    """The last two seconds of sound. A position is an instant in samples. One writer, one reader, any threads.

    `sounding` is set by each write; who reads clears it.
    """

    def __init__(self) -> None:
        self.anchored = 0
        self.sounding = threading.Event()
        self._ring: I16 = np.zeros((_CAPACITY, CHANNELS), np.int16)
        self._start = self._end = 0
        self._lock = threading.Lock()

    @property
    def end(self) -> int:
        """One past the last position written."""
        return self._end

    def write(self, samples: I16, at: int) -> None:
        """Shapes: samples (n, 2). `at` is where the first one belongs; small differences are taken for jitter."""
        with self._lock:
            empty = self._start == self._end
            if empty or at < self._start or at - self._end > _CAPACITY:
                self.anchored += not empty
                self._start = self._end = at
            elif abs(at - self._end) > _SLACK:
                self.anchored += 1
                self._move_end(at)
            self._put(samples[-_CAPACITY:])
        self.sounding.set()

    def read(self, at: int, count: int) -> tuple[I16, int]:
        """Sound from `at` on, silence where there is none, and how many samples have been written of it at most."""
        result: I16 = np.zeros((count, CHANNELS), np.int16)
        with self._lock:
            first, last = max(at, self._start), min(at + count, self._end)
            if last > first:
                result[first - at : last - at] = self._ring[np.arange(first, last) % _CAPACITY]
            return result, min(count, max(0, self._end - at))

    def _move_end(self, at: int) -> None:
        """Silence up to `at`, or what lies behind it is taken back."""
        if at > self._end:
            self._put(np.zeros((at - self._end, CHANNELS), np.int16))
        else:
            self._end = at

    def _put(self, samples: I16) -> None:
        self._ring[np.arange(self._end, self._end + len(samples)) % _CAPACITY] = samples
        self._end += len(samples)
        self._start = max(self._start, self._end - _CAPACITY)


class Arrivals:
    """When a sender's stamps are due here: by the packets that were delayed least.

    The estimate rises by `_LEAK_NS` with each frame, faster than clocks drift, so that it follows a longer way.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def at_ns(self, stamp_ns: int, arrived_ns: int) -> int:
        offset_ns, known_ns = arrived_ns - stamp_ns, self._offset_ns
        if known_ns is None or abs(offset_ns - known_ns) > _STRANGE_NS:
            self._offset_ns = offset_ns
        else:
            self._offset_ns = min(offset_ns, known_ns + _LEAK_NS)
        return stamp_ns + self._offset_ns
