"""Steady colours: what is measured on each frame, followed over time whatever the frame rate."""

from __future__ import annotations

import math

import numpy as np

from livefuse.frame import F32

_FOLLOWED = 0.9


class Follower:
    """Follows measurements: nine tenths of a lasting change within `seconds`, nothing of what lasts for one frame.

    The first measurement is taken as it is; with 0 seconds every one is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._value: F32 | None = None
        self._recent: tuple[F32, F32] | None = None
        self._seen_ns = 0

    def restart(self) -> None:
        """The next measurement has nothing to do with the last."""
        self._value = self._recent = None

    def follow(self, measured: F32, t_ns: int) -> F32:
        """What to use now; the array is not changed by later calls. `measured` is kept."""
        if self._value is None or self._recent is None or self._seconds <= 0:
            self._value, self._recent, self._seen_ns = measured, (measured, measured), t_ns
            return measured
        older, newer = self._recent
        lasting = np.maximum(np.minimum(older, newer), np.minimum(np.maximum(older, newer), measured))
        passed_s = abs(t_ns - self._seen_ns) / 1e9
        share = -math.expm1(math.log1p(-_FOLLOWED) * passed_s / self._seconds)
        self._value = np.asarray(self._value + np.float32(share) * (lasting - self._value), np.float32)
        self._recent, self._seen_ns = (newer, measured), t_ns
        return self._value
