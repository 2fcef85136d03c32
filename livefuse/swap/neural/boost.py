"""Pixel boost: a face k times as large as the network's input, as k x k interleaved pictures of the network's own size.

Picture (i, j) holds every k-th pixel from row i and column j on, so all show the whole face and come back in their places.
Source: facefusion 3.8.1 pixel_boost.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8


def implode(image: U8, factor: int, out: npt.NDArray[np.uint8]) -> None:
    """Shapes: image (k S, k S, 3) -> out (k k, S, S, 3), rows first."""
    for phase in range(factor * factor):
        out[phase] = image[phase // factor :: factor, phase % factor :: factor]


def explode(pictures: Sequence[F32], factor: int, out: F32) -> None:
    """The way back. Shapes: k k pictures (..., S, S) -> out (..., k S, k S)."""
    for phase, picture in enumerate(pictures):
        out[..., phase // factor :: factor, phase % factor :: factor] = picture
