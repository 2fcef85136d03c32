"""SINet and its like: the person, or what is behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from livefuse.align.templates import TEMPLATES
from livefuse.composite.masks.framing import carried, joined, onto_template
from livefuse.composite.masks.network import MaskNetwork
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import inverted
from livefuse.errors import EngineFailed
from livefuse.frame import F32, Crop
from livefuse.runtime.base import Engine
from livefuse.weights.recipe import Recipe

_FACE_SHARE, _FACE_CENTRE = 0.5, (0.5, 0.42)
_PORTRAIT = np.asarray((TEMPLATES["arcface_128"] - 0.5) * _FACE_SHARE + _FACE_CENTRE, np.float32)
_PERSON = 1
_SURE = (0.25, 0.75)  # between these a pixel is taken for partly the person's


class Matte:
    """How much of each pixel around a face is the person, 0..1. It was taught on portraits, so it sees head and shoulders."""

    def __init__(self, recipe: Recipe, engine: Engine, backend: Backend) -> None:
        """Raises: RecipeInvalid."""
        self._network, self._backend = MaskNetwork(recipe, engine), backend

    def begin(
        self, lane: Lane, picture: Picture, crops: Sequence[Crop], to_squares: Sequence[F32], side: int
    ) -> Callable[[], list[F32]]:
        """Shapes: to_squares (2, 3), crop px -> px of the face's aligned square of `side` -> (side, side) float32."""
        portraits = [onto_template(crop, _PORTRAIT, self._network.side_px) for crop in crops]
        to_portraits = [joined(crop.to_crop, portrait) for crop, portrait in zip(crops, portraits, strict=True)]
        draws = [partial(self._backend.warp, lane, picture, there) for there in to_portraits]
        answers = self._network.begin(lane, draws)
        there = [joined(inverted(p), square) for p, square in zip(portraits, to_squares, strict=True)]

        def people() -> list[F32]:
            found = [_person(answer) for answer in answers()]
            return [np.asarray(carried(p, t, (side, side)), np.float32) for p, t in zip(found, there, strict=True)]

        return people


def _person(answer: F32) -> F32:
    """Shapes: (2, S, S) -> (S, S)."""
    if answer.ndim != 3 or len(answer) <= _PERSON:
        raise EngineFailed(f"the matte's output is {answer.shape}, (2, S, S) expected", hint="is this SINet?")
    low, high = _SURE
    return np.asarray(np.clip((answer[_PERSON] - low) / (high - low), 0, 1), np.float32)
