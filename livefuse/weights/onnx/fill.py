"""How a synthetic network's weights are drawn.

Most are He-normal, so that activations keep their size through any depth. Some channels may *carry* what they are given from
layer to layer: a network of random weights then still shows something of its input, which is what a test wants to look at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Fill: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Array]


def he(gain: float = math.sqrt(2)) -> Fill:
    """Normal, with the deviation that keeps the variance of a layer's input: shape is (out, in, ...)."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return normal(gain / math.sqrt(math.prod(shape[1:])))(rng, shape)

    return draw


def normal(deviation: float, mean: float = 0.0) -> Fill:
    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = rng.standard_normal(shape, dtype=np.float32)
        drawn *= np.float32(deviation)
        if mean:
            drawn += np.float32(mean)
        return drawn

    return draw


def constant(values: float | Sequence[float] | Array) -> Fill:
    """The same for every seed; broadcast to the shape."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(np.asarray(values, np.float32), shape).copy()

    return draw


def carried(
    fill: Fill, rows: int = 3, *, start: int = 0, gain: float | Sequence[float] = 1.0, average: bool = True
) -> Fill:
    """Output channel i < rows is input channel `start` + i alone, times its gain: over the whole kernel or its middle."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = fill(rng, shape)
        gains = np.broadcast_to(np.asarray(gain, np.float32), (rows,))
        drawn[:rows] = 0
        for row in range(rows):
            column = start + row if shape[1] > 1 else 0  # depthwise: each channel has but its own
            taps = drawn[row, column]
            if average:
                taps[...] = gains[row] / taps.size
            else:
                taps[tuple(size // 2 for size in taps.shape)] = gains[row]
        return drawn

    return draw


def placed(fill: Fill, taps: Mapping[tuple[int, int], float], rows: int | None = None) -> Fill:
    """The first `rows` outputs take only the inputs that `taps` name by (output, input), with that weight, at the kernel's
    middle; other rows stay random, and take the named weights in addition."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = fill(rng, shape)
        drawn[: 1 + max(row for row, _ in taps) if rows is None else rows] = 0
        for (row, column), weight in taps.items():
            drawn[row, column][tuple(size // 2 for size in shape[2:])] = weight
        return drawn

    return draw


def alike(fill: Fill, groups: int, apart: float = 0.15) -> Fill:
    """Rows in so many groups that differ little: what goes into one block of pixels should be of one colour."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        base = fill(rng, (shape[0] // groups, *shape[1:]))
        return np.concatenate([base] * groups) + np.float32(apart) * fill(rng, shape)

    return draw


def silenced(fill: Fill, rows: int = 3, *, start: int = 0, value: float = 0.0) -> Fill:
    """`rows` outputs from `start` on are `value` whatever comes in: the channels that carry get nothing added."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = fill(rng, shape)
        drawn[start : start + rows] = value
        return drawn

    return draw


def started(fill: Fill, first: Sequence[float]) -> Fill:
    """The first values are the given ones."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = fill(rng, shape)
        drawn[: len(first)] = first
        return drawn

    return draw
