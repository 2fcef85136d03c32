"""fan_68_5: guesses 68 landmarks from five points, without looking at the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from livefuse.align.layouts import from_68
from livefuse.align.network import COUNT, NO_CONFIDENCE_GIVEN, to_frame
from livefuse.align.templates import TEMPLATES, five_points, similarity_from_points, transform_points
from livefuse.device.base import Lane, Picture
from livefuse.errors import EngineFailed
from livefuse.frame import F32
from livefuse.runtime.base import Engine


class PointsTo68:
    """Source: facefusion 3.8.1 face_landmarker.py, `estimate_face_landmark_68_5`: the points lie under the ffhq template
    at size 1."""

    looks_ahead = False
    """Landmarks of the frame before say nothing of this one: its points do."""

    def __init__(self, engine: Engine, *, dtype: npt.DTypeLike = np.float32) -> None:
        self._engine, self._dtype = engine, dtype
        self._input = next(iter(engine.inputs))

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        """Shapes: points (N, 5, 2) -> landmarks (N, 66, 2), frame px, confidence (N, 66). Raises: DegenerateFace."""
        return self._start(lane, points)()

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        """The same from the five points of known landmarks."""
        return self._start(lane, five_points(previous))

    def _start(self, lane: Lane, points: F32) -> Callable[[], tuple[F32, F32]]:
        n = len(points)
        to_template = similarity_from_points(points, TEMPLATES["ffhq_512"])
        feed = lane.buffer("points_to_68.feed", (n, 5, 2), self._dtype)
        running = []
        for i in range(n):
            feed[i] = transform_points(to_template[i], points[i])
            running.append(self._engine.submit(lane, {self._input: feed[i : i + 1]}))

        def placed() -> tuple[F32, F32]:
            landmarks = np.empty((n, COUNT, 2), np.float32)
            for i, one in enumerate(running):
                landmarks[i] = from_68(_points(next(iter(one.result().values()))))
            return to_frame(to_template, landmarks), np.full((n, COUNT), NO_CONFIDENCE_GIVEN, np.float32)

        return placed


def _points(output: F32) -> F32:
    if output.size != 68 * 2:
        raise EngineFailed(f"the output is {output.shape}, (1, 68, 2) expected", hint="is this fan_68_5?")
    return output.reshape(68, 2)
