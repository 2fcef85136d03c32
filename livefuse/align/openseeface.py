"""OpenSeeFace: 66 facial landmarks with confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from livefuse.align.framing import frame_landmarks, frame_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine, Outputs

SIDE_PX, CELLS, COUNT = 224, 28, 66
_LOGIT_FACTOR, _LOGIT_CLIP = 16.0, 1e-7
_MEAN, _STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_NORMALISED = ((np.arange(256)[None] / 255 - _MEAN[:, None]) / _STD[:, None]).astype(np.float32)


class OpenSeeFace:
    """Places 66 landmarks on each face, one run a face: on a CPU a batch takes as long, and a fixed batch of one lets the
    runtime fold the network's shape arithmetic away.

    The crop is upright (eyes level) and follows the previous landmarks where they are given and agree with the detector's
    points. Source: emilianavt/OpenSeeFace (BSD-2), model lm_model0.
    """

    def __init__(self, engine: Engine, backend: Backend) -> None:
        self._engine, self._backend = engine, backend
        (self._input,) = engine.inputs
        (self._output,) = engine.outputs

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        """Shapes: points (N, 5, 2); previous (N, 66, 2) or None, rows of NaN are unknown -> landmarks (N, 66, 2) in
        frame px, confidence (N, 66)."""
        if not len(points):
            return np.empty((0, COUNT, 2), np.float32), np.empty((0, COUNT), np.float32)
        framed = np.full((len(points), COUNT, 2), np.nan, np.float32) if previous is None else previous.copy()
        new = ~np.isfinite(framed[:, 0, 0])
        if new.any():
            # Five points frame a turned face badly: up to 6 % of the eye distance off; a second look is within 2 %.
            framed[new], _ = self._start(lane, picture, frame_points(points[new], SIDE_PX))()
        return self.begin(lane, picture, framed)()

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        """Start on faces whose landmarks are about known; calling what is returned waits for landmarks and confidence.

        Shapes: previous (N, 66, 2), all finite.
        """
        return self._start(lane, picture, frame_landmarks(previous, SIDE_PX))

    def _start(self, lane: Lane, picture: Picture, to_crops: F32) -> Callable[[], tuple[F32, F32]]:
        n = len(to_crops)
        crops = lane.buffer("openseeface.crops", (n, SIDE_PX, SIDE_PX, 3))
        blob = lane.buffer("openseeface.blob", (n, 3, SIDE_PX, SIDE_PX), np.float32)
        running = []
        for i in range(n):
            self._backend.warp(lane, picture, to_crops[i], crops[i])
            normalise(crops[i], blob[i])
            running.append(self._engine.submit(lane, {self._input: blob[i : i + 1]}))
        return lambda: self._placed([one.result() for one in running], to_crops)

    def _placed(self, outputs: Sequence[Outputs], to_crops: F32) -> tuple[F32, F32]:
        landmarks, confidence = decode(np.concatenate([one[self._output] for one in outputs]))
        return _to_frame(to_crops, landmarks), confidence


def normalise(rgb: U8, planes: F32) -> None:
    """RGB 0..255 -> ImageNet-normalised planes, one table look-up per value. Shapes: (h, w, 3) -> (3, h, w)."""
    for i, channel in enumerate(cv2.split(rgb)):
        cv2.LUT(channel, _NORMALISED[i], dst=planes[i])


def decode(output: F32) -> tuple[F32, F32]:
    """Heat maps and offsets -> landmarks in crop px (x, y) and confidence. Shapes: (N, 198, 28, 28) -> (N, 66, 2), (N, 66).

    Source: emilianavt/OpenSeeFace tracker.py, `landmarks`.
    """
    maps = output.reshape(len(output), 3, COUNT, CELLS * CELLS)
    hottest = maps[:, 0].argmax(axis=2)
    confidence, rows, cols = (np.take_along_axis(maps[:, i], hottest[..., None], axis=2)[..., 0] for i in range(3))
    p = np.clip(np.stack((cols, rows), axis=-1), _LOGIT_CLIP, 1 - _LOGIT_CLIP)
    cell = np.stack((hottest % CELLS, hottest // CELLS), axis=-1)
    landmarks = (SIDE_PX - 1) * (cell / (CELLS - 1) + np.log(p / (1 - p)) / _LOGIT_FACTOR)
    return landmarks.astype(np.float32), confidence.astype(np.float32)


def _to_frame(to_crops: F32, landmarks: F32) -> F32:
    """Shapes: to_crops (N, 2, 3), landmarks (N, 66, 2) crop px -> (N, 66, 2) frame px."""
    inverse = np.linalg.inv(to_crops[:, :, :2].astype(np.float64))
    moved = landmarks - to_crops[:, None, :, 2]
    return np.einsum("nij,nkj->nki", inverse, moved).astype(np.float32)
