"""Who is it: embeddings of faces and their likeness."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Recipe

SAME_PERSON = 0.45
"""Cosine above which MobileFaceNet's embeddings are taken for the same person's; for w600k_r50 0.4 is customary. Others
pass `track.likeness`."""

_IDENTITY = np.eye(2, 3, dtype=np.float32)
Sample = Literal["area", "insightface"]


class Recogniser:
    """Aligned face -> embedding, by the recipe's template and normalisation.

    Faces are run together where the graph's batch is dynamic. `sample` says how a crop is sampled: `area` averages when
    shrinking; `insightface` is that package's way (bilinear, black outside), for equal numbers; it converts the whole
    picture. Raises: RecipeInvalid for a recipe of another kind.
    """

    def __init__(self, engine: Engine, backend: Backend, recipe: Recipe, *, sample: Sample = "area") -> None:
        if recipe.kind != "recogniser" or recipe.template is None or recipe.crop_px is None:
            raise RecipeInvalid(
                f"{recipe.name} is a {recipe.kind}, not a recogniser", hint="see swap recipes' `source`"
            )
        self._engine, self._backend, self._sample = engine, backend, sample
        self._blob, self._dtype = Blob(recipe.normalisation, recipe.layout), recipe.inputs[0].dtype
        self._side_px, self._template = recipe.crop_px, TEMPLATES[recipe.template] * recipe.crop_px
        width = recipe.outputs[0].shape[-1]
        self._width = width if isinstance(width, int) else 0
        self._input, shape = next(iter(engine.inputs.items()))
        self._together = isinstance(shape[0], str)

    def raw(self, lane: Lane, picture: Picture, points: F32) -> F32:
        """As the network gives them, not of length 1. Shapes: points (N, 5, 2), frame px -> (N, D). Raises: DegenerateFace."""
        n, side_px = len(points), self._side_px
        if not n:
            return np.empty((0, self._width), np.float32)
        crop = lane.buffer("recogniser.crop", (side_px, side_px, 3))
        blob = lane.buffer("recogniser.blob", (n, *self._blob.shape(side_px, side_px)), self._dtype)
        for i, to_crop in enumerate(similarity_from_points(points, self._template)):
            self._cut(lane, picture, to_crop, crop)
            self._blob.fill(crop, blob[i])
        if self._together:
            return self._embedded(lane, blob)
        return np.concatenate([self._embedded(lane, blob[i : i + 1]) for i in range(n)])

    def embed(self, lane: Lane, picture: Picture, points: F32) -> F32:
        """Unit vectors. Shapes: points (N, 5, 2), frame px -> (N, D). Raises: DegenerateFace."""
        return unit(self.raw(lane, picture, points))

    def _cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        if self._sample == "area":
            self._backend.warp(lane, picture, to_crop, out)
            return
        whole = lane.buffer("recogniser.whole", (picture.height, picture.width, 3))
        self._backend.warp(lane, picture, _IDENTITY, whole)
        cv2.warpAffine(whole, to_crop, out.shape[1::-1], dst=out, borderValue=0)

    def _embedded(self, lane: Lane, blob: F32) -> F32:
        output = next(iter(self._engine.run(lane, {self._input: blob}).values()))
        return np.asarray(output.reshape(len(blob), -1), np.float32)


def unit(vectors: F32) -> F32:
    """Scaled to length 1. Shapes: (N, D) -> (N, D)."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


def cosine(a: F32, b: F32) -> F32:
    """Likeness of unit vectors. Shapes: (N, D), (M, D) -> (N, M)."""
    return np.asarray(a @ b.T, np.float32)
