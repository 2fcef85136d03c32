"""YUV <-> RGB for any of the usual matrices and ranges, as 3x4 affine maps that OpenCV applies in one pass.

Source: ITU-R BT.601-7, BT.709-6 and BT.2020-2 luma coefficients; ITU-T H.273 (2021) equations 22-40.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from livefuse.frame import F32, Colour, Matrix

_KR_KB: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


@lru_cache(maxsize=32)
def rgb_to_yuv(matrix: Matrix, full_range: bool) -> F32:
    """(3, 4) float32: RGB 0..255 -> YUV 0..255."""
    kr, kb = _KR_KB[matrix]
    kg = 1 - kr - kb
    luma = np.array([kr, kg, kb])
    rows = np.stack(
        [luma, (np.array([0, 0, 1]) - luma) / (2 * (1 - kb)), (np.array([1, 0, 0]) - luma) / (2 * (1 - kr))]
    )
    gain = np.array([1, 1, 1]) if full_range else np.array([219, 224, 224]) / 255
    offset = np.array([0 if full_range else 16, 128, 128])
    return np.hstack([rows * gain[:, None], offset[:, None]]).astype(np.float32)


@lru_cache(maxsize=32)
def yuv_to_rgb(matrix: Matrix, full_range: bool) -> F32:
    """(3, 4) float32: YUV 0..255 -> RGB 0..255."""
    forward = rgb_to_yuv(matrix, full_range).astype(np.float64)
    inverse = np.linalg.inv(forward[:, :3])
    return np.hstack([inverse, -inverse @ forward[:, 3:]]).astype(np.float32)


def to_rgb_map(colour: Colour) -> F32:
    return yuv_to_rgb(colour.matrix, colour.full_range)


def to_yuv_map(colour: Colour) -> F32:
    return rgb_to_yuv(colour.matrix, colour.full_range)
