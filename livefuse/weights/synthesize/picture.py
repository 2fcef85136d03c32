"""What makes image generators of random weights show a picture: three channels carry the colours through.

The result is the input, blurred as far as the network's narrowest layer forces it, under a pattern that the random channels
make of the picture and the identity. Real weights do other things there, in the same number of operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from livefuse.weights.onnx.fill import Array, Fill, carried, he, normal, silenced

COLOURS = 3
UNCHANGED: Fill = silenced(normal(0.02), COLOURS)
"""Biases that leave the carried colours as they are."""


def carrying(*, start: int = 0, gain: float | Sequence[float] = 1.0, average: bool = True) -> Fill:
    """He weights but for the colours, which come from the inputs `start`.. and keep their place."""
    return carried(he(), COLOURS, start=start, gain=gain, average=average)


def showing(gain: float = 1.0, pattern: float = 0.15, *, start: int = 0) -> Fill:
    """The last layer: the colours times `gain`, and a `pattern` of all other channels.

    Before (tanh + 1) / 2 a gain of 2.8 and a bias of -1.4 bend little for colours in 0..1.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = he(pattern)(rng, shape)
        drawn[:, start : start + COLOURS] = 0
        for row in range(COLOURS):
            drawn[row, start + row][tuple(size // 2 for size in shape[2:])] = gain
        return drawn

    return draw


def style(length: float) -> Fill:
    """AdaIN scales and shifts of about 0.4 from an identity vector of that length; none for the colours.

    The rows are scales of all channels, then shifts of all channels.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = normal(0.4 / length)(rng, shape)
        drawn[:COLOURS] = 0
        drawn[shape[0] // 2 : shape[0] // 2 + COLOURS] = 0
        return drawn

    return draw


def style_bias(scale: float, colours: float) -> Fill:
    """Biases of scales and shifts: the scales are about `scale`, for the colours exactly `colours` (none is added)."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        half = shape[0] // 2
        drawn = np.concatenate([normal(0.05, scale)(rng, (half,)), normal(0.05)(rng, (half,))])
        drawn[:COLOURS] = colours
        drawn[half : half + COLOURS] = 0
        return drawn

    return draw


UNIT_LENGTH, RAW_LENGTH = 1.0, 20.0
"""Of identity vectors: normalised, and as w600k_r50 gives them."""
IDENTITY = 512
EMAP: Fill = normal(1 / math.sqrt(IDENTITY))
