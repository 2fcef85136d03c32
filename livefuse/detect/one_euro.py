"""The One-Euro filter: strong smoothing at rest, little lag in motion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def smoothing(cutoff_hz: npt.ArrayLike, dt_s: float) -> F64:
    """Weight of the newest sample in an exponential low-pass of that cut-off frequency."""
    tau_s = 1 / (2 * np.pi * np.asarray(cutoff_hz, np.float64))
    return 1 / (1 + tau_s / dt_s)


class OneEuro:
    """Filters an array of signals, each by itself.

    `unit` in a call divides the speed that opens the filter, so that a face of any size gets the same treatment:
    pass its size, and `beta` is per face size per second. `trust` scales the cut-off: what is doubtful moves slowly.
    Source: Casiez, Roussel, Vogel 2012, "1 € Filter", algorithm 1.
    """

    def __init__(
        self, min_cutoff_hz: npt.ArrayLike = 1.0, beta: npt.ArrayLike = 0.0, derivative_cutoff_hz: float = 1.0
    ) -> None:
        self._min_cutoff_hz = np.asarray(min_cutoff_hz, np.float64)
        self._beta = np.asarray(beta, np.float64)
        self._derivative_cutoff_hz = derivative_cutoff_hz
        self._value: F64 | None = None
        self._speed: F64 = np.zeros(())

    @property
    def value(self) -> F64 | None:
        return self._value

    def shift(self, by: npt.ArrayLike) -> None:
        """Move the state without a measurement: what a prediction does between two detections."""
        if self._value is not None:
            self._value = self._value + np.asarray(by, np.float64)

    def __call__(self, value: npt.ArrayLike, dt_s: float, *, unit: float = 1.0, trust: npt.ArrayLike = 1.0) -> F64:
        x = np.asarray(value, np.float64)
        if self._value is None or dt_s <= 0:
            self._value, self._speed = x.copy(), np.zeros_like(x)
            return self._value
        speed = (x - self._value) / dt_s
        self._speed = self._speed + smoothing(self._derivative_cutoff_hz, dt_s) * (speed - self._speed)
        cutoff_hz = (self._min_cutoff_hz + self._beta * np.abs(self._speed) / unit) * np.asarray(trust, np.float64)
        self._value = self._value + smoothing(cutoff_hz, dt_s) * (x - self._value)
        return self._value
