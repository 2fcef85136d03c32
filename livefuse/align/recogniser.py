"""Who is it: embeddings of faces and their likeness."""

from __future__ import annotations

import numpy as np

from livefuse.align.openseeface import normalise
from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32
from livefuse.runtime.base import Engine

SIDE_PX = 112
SAME_PERSON = 0.45
"""Cosine above which two faces are taken for the same person."""


class Recogniser:
    """MobileFaceNet: aligned face -> unit vector of 128 numbers.

    Source: foamliu/MobileFaceNet (Apache-2.0); arcface_112_v2 crop, RGB, ImageNet normalisation.
    """

    def __init__(self, engine: Engine, backend: Backend) -> None:
        self._engine, self._backend = engine, backend
        (self._input,) = engine.inputs
        (self._output,) = engine.outputs

    def embed(self, lane: Lane, picture: Picture, points: F32) -> F32:
        """Shapes: points (N, 5, 2), frame px -> (N, 128). Raises: DegenerateFace."""
        crop = lane.buffer("recogniser.crop", (SIDE_PX, SIDE_PX, 3))
        blob = lane.buffer("recogniser.blob", (1, 3, SIDE_PX, SIDE_PX), np.float32)
        embeddings = []
        for to_crop in similarity_from_points(points, TEMPLATES["arcface_112_v2"] * SIDE_PX):
            self._backend.warp(lane, picture, to_crop, crop)
            normalise(crop, blob[0])
            embeddings.append(self._engine.run(lane, {self._input: blob})[self._output][0])
        if not embeddings:
            return np.empty((0, 128), np.float32)
        stacked = np.stack(embeddings)
        return np.asarray(stacked / np.linalg.norm(stacked, axis=1, keepdims=True), np.float32)


def cosine(a: F32, b: F32) -> F32:
    """Likeness of unit vectors. Shapes: (N, D), (M, D) -> (N, M)."""
    return np.asarray(a @ b.T, np.float32)
