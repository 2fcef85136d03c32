"""A landmarker that is a network: a crop per face in, landmarks in frame px out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from livefuse.align.templates import five_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob

COUNT = 66
_FRAMED_WELL = 0.03
"""Crop sides. Measured on 107 faces of clips and paintings: framings nearer to each other than that give landmarks 1.0 % of
the eye distance apart on average, which a second look is not worth; at 0.06 to 0.08 it is 2.6 %, beyond 0.12 12 %.
"""
NO_CONFIDENCE_GIVEN = 0.75
"""Confidence of every landmark of networks that state none: the detector alone then judges, and a face of score 0.5 is
accepted, as the programs do in which these networks are at home (`align.stage` asks for a sum of 1.25)."""

Frame: TypeAlias = Callable[[F32, int], F32]
Read: TypeAlias = Callable[[Outputs], tuple[F32, F32]]


class Family(NamedTuple):
    """How one family of networks is fed and read.

    `frame_points` and `frame_landmarks` make crops, (N, 5, 2) or (N, 66, 2) and the side -> (N, 2, 3). `read` gives one
    face's landmarks (66, 2) in crop px and confidence (66,). With `second_look` a new face is framed again by what the
    first look found, if that differs.
    """

    side_px: int
    frame_points: Frame
    frame_landmarks: Frame
    read: Read
    second_look: bool = False


def by_five_points(frame: Frame) -> Frame:
    """Frame landmarks as their five points are framed."""
    return lambda landmarks, side_px: frame(five_points(landmarks), side_px)


class NetworkLandmarker:
    """Places 66 landmarks on each face, one run a face: on a CPU a batch takes as long, and a fixed batch of one lets the
    runtime fold a network's shape arithmetic away.

    The crop follows the previous landmarks where they are given.
    """

    looks_ahead = True
    """Whether `begin` finds anything that `previous` does not already say."""

    def __init__(
        self, engine: Engine, backend: Backend, blob: Blob, family: Family, *, dtype: npt.DTypeLike = np.float32
    ) -> None:
        self._engine, self._backend, self._blob, self._family, self._dtype = engine, backend, blob, family, dtype
        self._input = next(iter(engine.inputs))

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        """Shapes: points (N, 5, 2); previous (N, 66, 2) or None, rows of NaN are unknown -> landmarks (N, 66, 2) in
        frame px, confidence (N, 66)."""
        frame, side_px = self._family, self._family.side_px
        known = np.zeros(len(points), np.bool_) if previous is None else np.isfinite(previous[:, 0, 0])
        to_crops = np.empty((len(points), 2, 3), np.float32)
        if previous is not None and known.any():
            to_crops[known] = frame.frame_landmarks(previous[known], side_px)
        if not known.all():
            to_crops[~known] = frame.frame_points(points[~known], side_px)
        landmarks, confidence = self._start(lane, picture, to_crops)()
        if frame.second_look and not known.all():
            self._look_again(lane, picture, to_crops, ~known, landmarks, confidence)
        return landmarks, confidence

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        """Start on faces whose landmarks are about known; calling what is returned waits for landmarks and confidence.

        Shapes: previous (N, 66, 2), all finite.
        """
        return self._start(lane, picture, self._family.frame_landmarks(previous, self._family.side_px))

    def _look_again(
        self, lane: Lane, picture: Picture, to_crops: F32, new: npt.NDArray[np.bool_], landmarks: F32, confidence: F32
    ) -> None:
        """Place anew, in place, those new faces that their landmarks frame differently than the detector's points did."""
        side_px = self._family.side_px
        better = self._family.frame_landmarks(landmarks, side_px)
        poor = np.flatnonzero(new & (apart(to_crops, better, side_px) > _FRAMED_WELL))
        if len(poor):
            landmarks[poor], confidence[poor] = self._start(lane, picture, better[poor])()

    def _start(self, lane: Lane, picture: Picture, to_crops: F32) -> Callable[[], tuple[F32, F32]]:
        n, side_px = len(to_crops), self._family.side_px
        crops = lane.buffer("landmarks.crops", (n, side_px, side_px, 3))
        blob = lane.buffer("landmarks.blob", (n, *self._blob.shape(side_px, side_px)), self._dtype)
        running = []
        for i in range(n):
            self._backend.warp(lane, picture, to_crops[i], crops[i])
            self._blob.fill(crops[i], blob[i])
            running.append(self._engine.submit(lane, {self._input: blob[i : i + 1]}))
        return lambda: self._placed([one.result() for one in running], to_crops)

    def _placed(self, outputs: Sequence[Outputs], to_crops: F32) -> tuple[F32, F32]:
        landmarks, confidence = (np.empty((len(outputs), COUNT, *end), np.float32) for end in ((2,), ()))
        for i, one in enumerate(outputs):
            landmarks[i], confidence[i] = self._family.read(one)
        return to_frame(to_crops, landmarks), confidence


def apart(one: F32, other: F32, side_px: int) -> F32:
    """How far two framings of a face put the crop's corners from each other, in crop sides. Shapes: (N, 2, 3) twice -> (N,)."""
    (turn, shift), (other_turn, other_shift) = _complex(one), _complex(other)
    corners = np.array([0, side_px, side_px * 1j, side_px * (1 + 1j)])
    moved = (corners - shift[:, None]) * (other_turn / turn)[:, None] + other_shift[:, None]
    return np.asarray(np.abs(moved - corners).mean(axis=1) / side_px, np.float32)


def to_frame(to_crops: F32, landmarks: F32) -> F32:
    """Back through similarities. Shapes: to_crops (N, 2, 3), landmarks (N, P, 2) crop px -> (N, P, 2) frame px."""
    turn, shift = _complex(to_crops)
    places = np.ascontiguousarray(landmarks, np.float64).view(np.complex128)[..., 0]
    back = (places - shift[:, None]) / turn[:, None]
    return back.view(np.float64).reshape(landmarks.shape).astype(np.float32)


def _complex(to_crops: F32) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """Turn with scale, and shift, of similarities: in the plane they are one product and one sum of complex numbers."""
    columns = np.ascontiguousarray(to_crops.transpose(0, 2, 1), np.float64).view(np.complex128)[..., 0]
    return columns[:, 0], columns[:, 2]
