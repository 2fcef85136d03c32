"""Steady landmarks: the face's rigid motion and its expression are filtered apart.

The rigid part (shift, scale, roll) is a fit through all 66 points, so its noise is already averaged away and it may follow
quickly; what is left, the shape, moves little and is filtered hard, except at mouth and eyes: blinks and speech stay crisp.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from livefuse.detect.one_euro import F64, OneEuro
from livefuse.frame import F32

_MOBILE = np.r_[36:66]  # eyes and mouth
_MOUTH_AND_JAW = np.r_[4:13, 48:66]
_SURE = 0.6  # confidence from which a landmark gets its full say
_LEAST_SAY = 0.2
_GAP_S = 0.5  # a face unseen for this long starts afresh

_POSE_CUTOFF_HZ, _POSE_BETA = 0.8, 60.0
_SHAPE_CUTOFF_HZ, _SHAPE_BETA = 0.5, 10.0
_MOBILE_CUTOFF_HZ, _MOBILE_BETA = 2.0, 40.0
_DERIVATIVE_CUTOFF_HZ = 3.0


def _per_point(rest: float, mobile: float) -> F64:
    values = np.full((66, 1), rest)
    values[_MOBILE] = mobile
    return values


class LandmarkFilter:
    """Filters the landmarks of one track. Shapes: landmarks (66, 2), confidence (66,) -> (66, 2), all in frame px."""

    def __init__(self, landmarks: F32, t_ns: int) -> None:
        self._first: tuple[F32, int] | None = (
            landmarks,
            t_ns,
        )  # most of what a single picture shows is never seen again
        self._t_ns = t_ns

    def _begin(self, landmarks: F32, t_ns: int) -> None:
        points = landmarks.astype(np.float64)
        centred = points - points.mean(axis=0)
        # The reference only says what counts as rigid motion, so the first shape will do.
        self._reference = centred / np.sqrt((centred**2).sum(axis=1).mean())
        self._pose = OneEuro(_POSE_CUTOFF_HZ, _POSE_BETA, _DERIVATIVE_CUTOFF_HZ)
        self._shape = OneEuro(
            _per_point(_SHAPE_CUTOFF_HZ, _MOBILE_CUTOFF_HZ),
            _per_point(_SHAPE_BETA, _MOBILE_BETA),
            _DERIVATIVE_CUTOFF_HZ,
        )
        self._angle, self._t_ns = 0.0, t_ns
        self._step(points, np.ones(66), 0.0)

    def __call__(self, landmarks: F32, confidence: F32, t_ns: int) -> F32:
        if self._first is not None:
            self._begin(*self._first)
            self._first = None
        dt_s = (t_ns - self._t_ns) / 1e9
        if not 0 < dt_s < _GAP_S:
            self._begin(landmarks, t_ns)
            return landmarks
        self._t_ns = t_ns
        say = np.clip(confidence / _SURE, _LEAST_SAY, 1.0).astype(np.float64)
        return self._step(landmarks.astype(np.float64), say, dt_s).astype(np.float32)

    def _step(self, points: F64, say: F64, dt_s: float) -> F64:
        centre, scale, angle = self._fit(points, say)
        angle += 2 * np.pi * np.round((self._angle - angle) / (2 * np.pi))  # no jump where the circle closes
        self._angle = angle
        shape = (points - centre) @ _rotation(angle) / scale
        # Everything in px, so that one cut-off rule fits shift, growth and the arc of a turn.
        pose = self._pose([*centre, scale, angle * scale], dt_s, unit=scale)
        shape = self._shape(shape, dt_s, trust=say[:, None])
        return shape @ _rotation(pose[3] / pose[2]).T * pose[2] + pose[:2]

    def _fit(self, points: F64, say: F64) -> tuple[F64, float, float]:
        weight = say.copy()
        weight[_MOUTH_AND_JAW] *= 0.3  # speech is no motion of the head
        return similarity_fit(self._reference, points, weight)


class Smoother:
    """A filter for each track id."""

    def __init__(self) -> None:
        self._filters: dict[int, LandmarkFilter] = {}

    def __call__(self, track: int, landmarks: F32, confidence: F32, t_ns: int) -> F32:
        known = self._filters.get(track)
        if known is None:
            self._filters[track] = LandmarkFilter(landmarks, t_ns)
            return landmarks
        return known(landmarks, confidence, t_ns)

    def keep(self, tracks: Iterable[int]) -> None:
        """Forget every track that is not among these."""
        wanted = set(tracks)
        self._filters = {track: f for track, f in self._filters.items() if track in wanted}


def similarity_fit(reference: F64, points: F64, weight: npt.NDArray[np.float64]) -> tuple[F64, float, float]:
    """Weighted least-squares (shift, scale, angle) with points ~ scale * R(angle) @ reference + shift.

    Shapes: reference and points (P, 2), weight (P,).
    """
    w = (weight / weight.sum())[:, None]
    mean_r, mean_p = (w * reference).sum(axis=0), (w * points).sum(axis=0)
    r, p = reference - mean_r, points - mean_p
    cos = (w * r * p).sum()
    sin = (w[:, 0] * (r[:, 0] * p[:, 1] - r[:, 1] * p[:, 0])).sum()
    scale = max(float(np.hypot(cos, sin)) / float((w * r * r).sum()), 1e-6)
    angle = float(np.arctan2(sin, cos))
    return mean_p - scale * _rotation(angle) @ mean_r, scale, angle


def _rotation(angle: float) -> F64:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])
