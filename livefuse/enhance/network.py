"""Feeding an enhancer's model and reading what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.device.base import Lane
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Recipe, Result, Tensor


@dataclass(frozen=True, slots=True)
class Run:
    """One face's place in a run that was started."""

    future: Future[Outputs]
    index: int
    output: str
    result: Result

    @property
    def done(self) -> bool:
        return self.future.done()

    def read(self) -> F32:
        """The restored face, waiting for it: (S, S, 3) float32 RGB 0..255, a new array. Raises: EngineFailed."""
        return read_face(self.future.result()[self.output][self.index], self.result)


class Network:
    """An enhancer's model: square faces in, as large ones out.

    Raises: RecipeInvalid for a recipe that does not say which input is the picture, what its size is, or where on it the
    face belongs.
    """

    def __init__(self, recipe: Recipe, engine: Engine, fidelity: float) -> None:
        if recipe.template is None or recipe.crop_px is None or recipe.layout != "nchw":
            raise RecipeInvalid(
                f"{recipe.name}: an enhancer needs `template`, `crop_px` and the layout nchw",
                hint="compare it with gfpgan_1.4",
            )
        self.side, self.template = recipe.crop_px, recipe.template
        self._engine, self._result = engine, recipe.result
        self._blob = Blob(recipe.normalisation, recipe.layout)
        self._image = _picture(recipe.inputs, recipe.name)
        self._output = recipe.output("face") or recipe.outputs[0].name
        self._extra = _fidelity(recipe, fidelity)
        self.batches = all(isinstance(engine.inputs[name][0], str) for name in (self._image, *self._extra))

    def submit(self, lane: Lane, images: Sequence[U8]) -> list[Run]:
        """Start on faces (S, S, 3): in one batch where the model takes one. The input lies in the lane's memory."""
        shape = (len(images), *self._blob.shape(self.side, self.side))
        blob = lane.buffer("enhance.input", shape, np.float32)
        for i, image in enumerate(images):
            self._blob.fill(image, blob[i])
        n = len(images)
        groups = [slice(0, n)] if self.batches else [slice(i, i + 1) for i in range(n)]
        futures = [self._engine.submit(lane, self._feeds(blob[group])) for group in groups]
        return [
            Run(futures[0] if self.batches else futures[i], i if self.batches else 0, self._output, self._result)
            for i in range(n)
        ]

    def _feeds(self, blob: F32) -> dict[str, npt.NDArray[Any]]:
        return {self._image: blob, **{name: np.repeat(value, len(blob)) for name, value in self._extra.items()}}


def read_face(planes: F32, result: Result) -> F32:
    """Shapes: planes (3, S, S) -> (S, S, 3) RGB 0..255, clipped, not rounded."""
    ordered = planes[:: 1 if result.order == "rgb" else -1]
    face = np.asarray(cv2.merge(list(ordered)), np.float32)
    face *= np.float32(result.gain)
    face += np.float32(result.offset)
    np.clip(face, 0, 1, out=face)
    face *= np.float32(255)
    return face


def _picture(inputs: Sequence[Tensor], name: str) -> str:
    wanted = [tensor.name for tensor in inputs if tensor.role == "image" or len(inputs) == 1]
    if not wanted:
        names = ", ".join(tensor.name for tensor in inputs)
        raise RecipeInvalid(f"{name}: which of {names} is the picture?", hint='give one `role = "image"` in the recipe')
    return wanted[0]


def _fidelity(recipe: Recipe, fidelity: float) -> dict[str, npt.NDArray[Any]]:
    """CodeFormer's weight; its exports take it in double precision."""
    return {
        tensor.name: np.array([fidelity], np.dtype(tensor.dtype))
        for tensor in recipe.inputs
        if tensor.role == "fidelity"
    }
