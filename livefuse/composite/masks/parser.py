"""BiSeNet: the parts of a face, in the classes of CelebAMask.

Source: facefusion 3.8.1 face_masker.py (`create_region_mask`), by its contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import cv2
import numpy as np

from livefuse.composite.masks.framing import Framing
from livefuse.composite.masks.network import Answers, MaskNetwork
from livefuse.device.base import Lane
from livefuse.errors import EngineFailed
from livefuse.frame import F32, Crop
from livefuse.runtime.base import Engine
from livefuse.sections import Region
from livefuse.weights.recipe import Recipe

CLASSES: dict[Region, int] = {
    "skin": 1,
    "left-eyebrow": 2,
    "right-eyebrow": 3,
    "left-eye": 4,
    "right-eye": 5,
    "glasses": 6,
    "nose": 10,
    "mouth": 11,
    "upper-lip": 12,
    "lower-lip": 13,
}


class Parser:
    """Where chosen parts of a swapped face are, 0 or 1."""

    def __init__(self, recipe: Recipe, engine: Engine, regions: Sequence[Region]) -> None:
        """Raises: RecipeInvalid."""
        self._network, self._chosen = MaskNetwork(recipe, engine), {CLASSES[region] for region in regions}

    def begin(self, lane: Lane, crops: Sequence[Crop], framing: Framing) -> Answers:
        """Crops that are kept as floats go in as floats. Shapes: -> (S, S) float32 for each crop."""
        if any(crop.fine is not None for crop in crops):
            size = (self._network.side_px,) * 2
            fine = [cv2.resize(crop.image if crop.fine is None else crop.fine, size) for crop in crops]
            answers = self._network.begin_fine(lane, [np.asarray(one, np.float32) for one in fine])
        else:
            answers = self._network.begin(lane, [partial(framing.draw_swapped, crop) for crop in crops])
        return lambda: [self._read(one) for one in answers()]

    def _read(self, logits: F32) -> F32:
        """Where the strongest class is a chosen one. Shapes: (C, S, S) -> (S, S)."""
        if logits.ndim != 3 or len(logits) <= max(self._chosen):
            raise EngineFailed(f"the parser's output is {logits.shape}, (19, S, S) expected", hint="is this BiSeNet?")
        chosen = _strongest(plane for i, plane in enumerate(logits) if i in self._chosen)
        others = _strongest(plane for i, plane in enumerate(logits) if i not in self._chosen)
        return (chosen > others).astype(np.float32)


def _strongest(planes: Iterable[F32]) -> F32:
    """The largest of some classes' logits; argmax over all 19 takes 20 times as long."""
    first, *rest = planes
    out = first.copy()
    for plane in rest:
        cv2.max(out, plane, dst=out)
    return out
