"""Upscaling as a function: one picture in, a larger one out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from livefuse.config import Config, make_config
from livefuse.engines import Engines
from livefuse.enhance.upscale.upscaler import Cutting, Upscaler, make_upscaler
from livefuse.errors import BadValue
from livefuse.frame import U8

_KEPT = 2


def upscale_image(
    image: U8,
    model: str,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    tiling: Literal["livefuse", "facefusion"] = "livefuse",
    out: U8 | None = None,
    settings: Mapping[str, Any] | None = None,
) -> U8:
    """The picture, enlarged by an upscaler; models stay loaded for the next call.

    `tile` is the side of the pieces that the network sees, `overlap` how much of each on every side is only looked at; px.
    `settings` are configuration keys: `{"runtime.threads": 4}`.
    Shapes: image (H, W, 3) uint8 RGB -> (H * scale, W * scale, 3) uint8, in `out` where given.
    Raises: ModelError, EngineError, BadValue.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        hint = "give (height, width, 3) uint8, red first"
        raise BadValue(f"a picture of shape {image.shape} and type {image.dtype}", hint=hint)
    config = make_config({}, {"output.upscale": model} | dict(settings or {}), origin="upscale_image")
    return _upscaler(config, Cutting(tile, overlap, tiling))(image, out=out)


@lru_cache(_KEPT)
def _upscaler(config: Config, cutting: Cutting) -> Upscaler:
    return make_upscaler(config.output.upscale, _engines(config), cutting)


@lru_cache(_KEPT)
def _engines(config: Config) -> Engines:
    return Engines(config, inline=True)
