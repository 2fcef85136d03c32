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
NO_CONFIDENCE_GIVEN = 0.75
"""Confidence of every landmark of networks that state none: the detector alone then judges, and a face of score 0.5 is
accepted, as the programs do in which these networks are at home (`align.stage` asks for a sum of 1.25)."""

Frame: TypeAlias = Callable[[F32, int], F32]
Read: TypeAlias = Callable[[Outputs], tuple[F32, F32]]


class Family(NamedTuple):
    """How one family of networks is fed and read.

    `frame_points` and `frame_landmarks` make crops, (N, 5, 2) or (N, 66, 2) and the side -> (N, 2, 3). `read` gives one
    face's landmarks (66, 2) in crop px and confidence (66,). With `second_look` a new face is framed again by what the
    first look found.
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
        side_px = self._family.side_px
        known = np.zeros(len(points), np.bool_) if previous is None else np.isfinite(previous[:, 0, 0])
        to_crops = np.empty((len(points), 2, 3), np.float32)
        if previous is not None and known.any():
            to_crops[known] = self._family.frame_landmarks(previous[known], side_px)
        if not known.all():
            to_crops[~known] = self._framed_anew(lane, picture, points[~known])
        return self._start(lane, picture, to_crops)()

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        """Start on faces whose landmarks are about known; calling what is returned waits for landmarks and confidence.

        Shapes: previous (N, 66, 2), all finite.
        """
        return self._start(lane, picture, self._family.frame_landmarks(previous, self._family.side_px))

    def _framed_anew(self, lane: Lane, picture: Picture, points: F32) -> F32:
        to_crops = self._family.frame_points(points, self._family.side_px)
        if self._family.second_look:
            landmarks, _ = self._start(lane, picture, to_crops)()
            return self._family.frame_landmarks(landmarks, self._family.side_px)
        return to_crops

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


def to_frame(to_crops: F32, landmarks: F32) -> F32:
    """Shapes: to_crops (N, 2, 3), landmarks (N, P, 2) crop px -> (N, P, 2) frame px."""
    inverse = np.linalg.inv(to_crops[:, :, :2].astype(np.float64))
    moved = landmarks - to_crops[:, None, :, 2]
    return np.einsum("nij,nkj->nki", inverse, moved).astype(np.float32)
