"""Translates one recogniser's embeddings into the space that another model was trained on (`crossface_*`)."""

from __future__ import annotations

import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32
from livefuse.runtime.base import Engine


class Converter:
    """Takes embeddings as the recogniser gives them, not scaled to length 1, and returns such."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._input, shape = next(iter(engine.inputs.items()))
        self._together = isinstance(shape[0], str)

    def __call__(self, lane: Lane, embeddings: F32) -> F32:
        """Shapes: (N, 512) -> (N, 512)."""
        feed = np.ascontiguousarray(embeddings, np.float32)
        step = len(feed) if self._together else 1
        parts = [self._converted(lane, feed[i : i + step]) for i in range(0, len(feed), max(1, step))]
        return np.concatenate(parts) if parts else feed

    def _converted(self, lane: Lane, feed: F32) -> F32:
        output = next(iter(self._engine.run(lane, {self._input: feed}).values()))
        return np.asarray(output.reshape(len(feed), -1), np.float32)
