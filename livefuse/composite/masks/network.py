"""A network that says something of each pixel of a face."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from livefuse.device.base import Lane
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine
from livefuse.runtime.blob import Blob
from livefuse.swap.neural.swapper import named
from livefuse.weights.bind import bound
from livefuse.weights.recipe import Recipe

Draw: TypeAlias = Callable[[U8], None]
"""Fills one picture (S, S, 3) RGB."""
Answers: TypeAlias = Callable[[], list[F32]]
"""Waits for the network and returns one array for each picture."""


class MaskNetwork:
    """Feeds faces by the recipe's normalisation and layout, in one batch where the model's is free."""

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        """Raises: RecipeInvalid."""
        recipe = bound(recipe, engine.inputs, engine.outputs)
        self._engine, self._name = engine, recipe.name
        self._input, self._output = named(recipe.inputs, "image"), named(recipe.outputs, "mask")
        self._blob, self._nhwc = Blob(recipe.normalisation, recipe.layout), recipe.layout == "nhwc"
        assert recipe.normalisation is not None  # a rule of recipes
        gain, offset = recipe.normalisation.affine()
        self._gain, self._offset = np.array(gain, np.float32), np.array(offset, np.float32)
        self._flip = recipe.normalisation.order == "bgr"
        shape = engine.inputs[self._input]
        self._together = isinstance(shape[0], str)
        self.side_px = _side(recipe, shape)

    def begin(self, lane: Lane, draws: Sequence[Draw]) -> Answers:
        """Start on pictures, one for each `draw`."""
        side = self.side_px
        picture = lane.buffer(f"masks.{self._name}.picture", (side, side, 3))
        blob = self._blobs(lane, len(draws))
        for draw, out in zip(draws, blob, strict=True):
            draw(picture)
            self._blob.fill(picture, out)
        return self._submit(lane, blob)

    def begin_fine(self, lane: Lane, images: Sequence[F32]) -> Answers:
        """The same on pictures that were not rounded. Shapes: (S, S, 3) RGB float32 0..255."""
        blob = self._blobs(lane, len(images))
        for image, out in zip(images, blob, strict=True):
            scaled = image[..., ::-1] * self._gain if self._flip else image * self._gain
            scaled += self._offset
            np.copyto(out, scaled if self._nhwc else scaled.transpose(2, 0, 1))
        return self._submit(lane, blob)

    def _blobs(self, lane: Lane, count: int) -> F32:
        shape = (count, *self._blob.shape(self.side_px, self.side_px))
        return np.asarray(lane.buffer(f"masks.{self._name}.blob", shape, np.float32))

    def _submit(self, lane: Lane, blob: F32) -> Answers:
        n = len(blob)
        groups = [slice(0, n)] if self._together and n else [slice(i, i + 1) for i in range(n)]
        running = [self._engine.submit(lane, {self._input: blob[group]}) for group in groups]
        return lambda: [answer for one in running for answer in one.result()[self._output]]


def _side(recipe: Recipe, shape: tuple[int | str, ...]) -> int:
    stated = recipe.crop_px or (shape[1 if recipe.layout == "nhwc" else 2] if len(shape) == 4 else None)
    if not isinstance(stated, int):
        raise RecipeInvalid(
            f"{recipe.name} does not say how large its pictures are: {list(shape)}", hint="give it `crop_px`"
        )
    return stated
