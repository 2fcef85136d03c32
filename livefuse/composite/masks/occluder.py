"""XSeg and its like: face, or something before it.

Source: facefusion 3.8.1 face_masker.py (`create_occlusion_mask`) and VisoMaster (its occluder), by their contracts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.composite.masks.network import Answers, Draw, MaskNetwork
from livefuse.device.base import Lane
from livefuse.frame import F32
from livefuse.runtime.base import Engine
from livefuse.weights.recipe import Recipe


class Occluder:
    """How much of an aligned face is visible, 0..1: the network's own probability, or its logits' sign."""

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        """Raises: RecipeInvalid."""
        self._network, self._logits = MaskNetwork(recipe, engine), recipe.decode == "logits"

    def begin(self, lane: Lane, draws: Sequence[Draw]) -> Answers:
        """Shapes: -> (S, S) float32 for each picture."""
        answers = self._network.begin(lane, draws)
        return lambda: [self._read(one) for one in answers()]

    def _read(self, answer: F32) -> F32:
        """Shapes: (S, S, 1) or (1, S, S) -> (S, S)."""
        side = self._network.side_px
        mask = answer.reshape(side, side)
        return (mask > 0).astype(np.float32) if self._logits else np.clip(mask, 0, 1)
