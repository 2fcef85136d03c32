"""One face's way through time: filtered box and points, velocity, and what was seen when."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from livefuse.detect.one_euro import F64, OneEuro
from livefuse.frame import F32

_MIN_CUTOFF_HZ = 1.5
_BETA_PER_SIZE = 12.0
_VELOCITY_WEIGHT = 0.4
_COAST_S = 0.25  # a face that is not seen slows down with this time constant: nobody walks on for ever
# A still picture's detections wander by up to 2 wobbles (measured at noise of 3 to 12 levels, faces of 65 to 220 px).
_MOVED, _MOVED_WOBBLES, _WOBBLE_WEIGHT, _SETTLED = 0.008, 4.0, 0.1, 5


@dataclass(slots=True)
class Trajectory:
    """Shapes: state (14,) is box x1 y1 x2 y2 and five points, filtered; points (5, 2) as last detected; frame px.

    `lost` counts frames since the first detector run that did not see the face, 0 while it is seen; `away` means that
    it has been lost for too long to be shown, but is remembered; `jumped` that the last detection lay off its prediction;
    `run` counts frames since `chosen` or `role` last changed.
    """

    id: int
    score: float
    state: F64
    seen_ns: int
    hits: int = 1
    age: int = 0
    missed: int = 0
    lost: int = 0
    confirmed: bool = False
    away: bool = False
    moved: bool = False
    jumped: bool = False
    chosen: bool = False
    role: int = 0
    run: int = 0
    points: F32 = field(default_factory=lambda: np.zeros((5, 2), np.float32))
    velocity: F64 = field(default_factory=lambda: np.zeros(2))
    _anchor: F64 | None = None
    _wobble_px: float = 0.0
    _filter: OneEuro | None = None

    @property
    def centre(self) -> F64:
        return (self.state[0:2] + self.state[2:4]) / 2

    @property
    def never_chosen(self) -> bool:
        return not self.chosen and self.run == self.age

    @property
    def size(self) -> float:
        width, height = self.state[2:4] - self.state[0:2]
        return float(np.sqrt(max(width, 1e-3) * max(height, 1e-3)))

    def predict(self, t_ns: int) -> F64:
        """Where the face should be at `t_ns`: constant velocity that dies away. Shape: (14,)."""
        elapsed_s = max(0, t_ns - self.seen_ns) / 1e9
        travel = self.velocity * (_COAST_S * (1 - np.exp(-elapsed_s / _COAST_S)))
        return self.state + np.tile(travel, 7)

    def see(self, box: F32, points: F32, score: float, t_ns: int, *, smooth: bool) -> None:
        """Take in a detection."""
        measured = np.concatenate((box, points.reshape(10))).astype(np.float64)
        dt_s = (t_ns - self.seen_ns) / 1e9
        wobble_px = float(np.hypot(*(_middle(measured) - _middle(self.state))))
        if self.away or dt_s <= 0:  # it came back: what was there before says nothing about its motion now
            self._restart(measured)
        else:
            before = self.centre
            self.state = self._filtered(measured, dt_s) if smooth else measured
            self.velocity = self.velocity + _VELOCITY_WEIGHT * ((self.centre - before) / dt_s - self.velocity)
        self.score, self.seen_ns, self.points = score, t_ns, points
        self.hits, self.missed, self.lost, self.away = self.hits + 1, 0, 0, False
        self._note_motion(wobble_px)

    def miss(self) -> None:
        """A detector run did not see the face."""
        self.hits, self.lost = 0, max(1, self.lost)

    def _filtered(self, measured: F64, dt_s: float) -> F64:
        if self._filter is None:
            self._filter = OneEuro(_MIN_CUTOFF_HZ, _BETA_PER_SIZE)
            self._filter(self.state, dt_s)
        return self._filter(measured, dt_s, unit=self.size)

    def _restart(self, measured: F64) -> None:
        self.state, self._filter, self.velocity = measured, None, np.zeros(2)

    def _note_motion(self, wobble_px: float) -> None:
        """Whether the face has ever moved: farther from where it began than its own detections scatter."""
        self._wobble_px += _WOBBLE_WEIGHT * (wobble_px - self._wobble_px)
        if self._anchor is None:
            if self.hits >= _SETTLED:
                self._anchor = _middle(self.state)
        elif not self.moved:
            away_px = float(np.hypot(*(_middle(self.state) - self._anchor)))
            self.moved = away_px > max(_MOVED * self.size, _MOVED_WOBBLES * self._wobble_px)


def _middle(state: F64) -> F64:
    """Mean of the box's corners and the five points: a detector's noise is least there."""
    return np.asarray(state.reshape(7, 2).mean(axis=0))
