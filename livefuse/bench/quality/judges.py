"""The models that judge a swap: none of them is changed by the variant that is measured."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from livefuse.align.make import fixed_axes, make_landmarker
from livefuse.align.recogniser import Recogniser
from livefuse.clock import MonotonicClock
from livefuse.config import Config
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.frame import F32, U8, Faces, HostFrame
from livefuse.photos import LANDMARKER
from livefuse.stages import build_stages

_LEAST_CONFIDENCE = 0.4
"""Mean of a face's landmarks, below which the alignment stage takes it for none."""


class Judges(Protocol):
    """What is asked of the models. Shapes: rgb (H, W, 3)."""

    def find(self, rgb: U8, t_ns: int) -> F32 | None:
        """The five points (5, 2) of the face that a swap of this clip would change; frames come in order."""
        ...

    def place(self, rgb: U8, points: F32, framing: F32 | None) -> F32 | None:
        """Landmarks (66, 2) of the face at the five points, or framed by landmarks that are about known; None: no face."""
        ...

    def embed(self, rgb: U8, points: F32) -> F32:
        """Who is it: (D,)."""
        ...

    def restart(self) -> None:
        """Another clip begins."""
        ...


class ModelJudges:
    """The session's own detector and choice of faces, OpenSeeFace's landmarks, and the recogniser of `track.recogniser`.

    Raises: ModelError, EngineError, BadValue.
    """

    def __init__(self, config: Config) -> None:
        track = config.track.model_copy(update={"min_hits": 1, "look_seconds": 0.0})
        changed = config.model_copy(update={"track": track})
        self._backend, self._lane = CpuBackend(), Lane(0)
        engines = Engines(config, inline=True)
        place, embed = (
            engines.store.recipe(LANDMARKER),
            engines.recipe(config.track.recogniser, "recogniser", "track.recogniser"),
        )
        engines.require([place, embed])
        self._landmarker = make_landmarker(place, engines.load(place, fixed=fixed_axes(place)), self._backend)
        self._recogniser = Recogniser(engines.load(embed), self._backend, embed)
        self._detect = build_stages(changed, MonotonicClock(), list, inline=True).pipeline.detect
        self._followed: int | None = None

    def restart(self) -> None:
        self._detect.restart()
        self._followed = None

    def find(self, rgb: U8, t_ns: int) -> F32 | None:
        picture = self._picture(rgb)
        self._detect.begin(self._lane, picture)
        faces = self._detect(self._lane, picture, t_ns)
        chosen = np.flatnonzero(faces.chosen)
        if not len(chosen):
            return None
        best = max(chosen, key=lambda i: (faces.ids[i] == self._followed, _area(faces, int(i))))
        self._followed = int(faces.ids[best])
        return np.array(faces.points[best])

    def place(self, rgb: U8, points: F32, framing: F32 | None) -> F32 | None:
        previous = None if framing is None else framing[None]
        landmarks, confidence = self._landmarker(self._lane, self._picture(rgb), points[None], previous)
        return landmarks[0] if confidence.mean() >= _LEAST_CONFIDENCE else None

    def embed(self, rgb: U8, points: F32) -> F32:
        return np.asarray(self._recogniser.embed(self._lane, self._picture(rgb), points[None])[0], np.float32)

    def _picture(self, rgb: U8) -> Picture:
        return self._backend.upload(self._lane, HostFrame.of_rgb(rgb))


def _area(faces: Faces, i: int) -> float:
    x1, y1, x2, y2 = faces.boxes[i]
    return float((x2 - x1) * (y2 - y1))
