"""Upscalers whose networks are functions, for tests of what is around them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from livefuse.enhance.upscale.upscaler import Cutting, Upscaler
from livefuse.weights.recipe import Recipe, load_recipe
from tests.unit.engines import FunctionEngine

F32 = npt.NDArray[np.float32]
Network = Callable[[F32], F32]
FREE = ("batch", 3, "height", "width")


def recipe_of(scale: int, tile: tuple[int, int, int] | None = None) -> Recipe:
    return load_recipe("real_esrgan_x2").model_copy(update={"scale": scale, "tile": tile})


def engine_of(network: Network, shape: tuple[int | str, ...] = FREE) -> FunctionEngine:
    """`network` takes (N, 3, H, W) and gives (N, 3, s * H, s * W)."""
    engine = FunctionEngine({"input": shape}, lambda feeds: {"output": network(feeds["input"])})
    engine.outputs = ["output"]
    return engine


def upscaler_of(
    network: Network, scale: int, cutting: Cutting, *, tile: tuple[int, int, int] | None = None
) -> Upscaler:
    return Upscaler(recipe_of(scale, tile), engine_of(network), cutting)


def nearest(scale: int) -> Network:
    return lambda x: x.repeat(scale, axis=2).repeat(scale, axis=3)


def blurred(x: F32, radius: int, *, valid: bool = False) -> F32:
    """Every pixel becomes a mean over (2 r + 1) x (2 r + 1), unevenly weighted, the furthest ones most; zeros around, or
    only where all of it is known. One order of sums for every pixel: equal inputs give equal bits."""
    size = 2 * radius + 1
    if not valid:
        x = np.pad(x, ((0, 0), (0, 0), (radius, radius), (radius, radius)))
    height, width = x.shape[2] - 2 * radius, x.shape[3] - 2 * radius
    weights = 1 + np.abs(np.arange(size, dtype=np.float32) - radius)
    weights /= weights.sum()
    total = np.zeros((*x.shape[:2], height, width), np.float32)
    for dy in range(size):
        for dx in range(size):
            total += weights[dy] * weights[dx] * x[:, :, dy : dy + height, dx : dx + width]
    return total


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
