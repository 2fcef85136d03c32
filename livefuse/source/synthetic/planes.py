"""Puts RGB patches onto yuv420p planes; only what they cover is converted."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.colour import to_yuv_map
from livefuse.frame import F32, U8, Colour

COLOUR = Colour("bt709", False, primaries_tag=1, transfer_tag=1, matrix_tag=1)

Planes = tuple[U8, U8, U8]


def to_planes(rgb: F32) -> Planes:
    """A whole picture (H, W, 3) as yuv420p; odd sizes repeat their last row and column."""
    height, width = rgb.shape[:2]
    even = cv2.copyMakeBorder(rgb, 0, height & 1, 0, width & 1, cv2.BORDER_REPLICATE)
    yuv = cv2.transform(even, to_yuv_map(COLOUR))
    small = cv2.resize(yuv, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA)
    y, u, v = (
        np.clip(np.round(c), 0, 255).astype(np.uint8) for c in (yuv[:height, :width, 0], small[..., 1], small[..., 2])
    )
    return y, u, v


def blend(planes: Planes, rgb: U8, alpha: U8, x: int, y: int) -> None:
    """Blend a patch in place, its corner at even (x, y); parts outside the picture are left out."""
    height, width = planes[0].shape
    x1, y1 = max(0, x), max(0, y)
    x2, y2 = min(width + (width & 1), x + rgb.shape[1]), min(height + (height & 1), y + rgb.shape[0])
    x2, y2 = x2 - (x2 - x1) % 2, y2 - (y2 - y1) % 2
    if x2 <= x1 or y2 <= y1:
        return
    part = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
    yuv = cv2.transform(rgb[part], to_yuv_map(COLOUR))
    mask = np.ascontiguousarray(alpha[part])
    half = ((x2 - x1) // 2, (y2 - y1) // 2)
    small, small_mask = (
        cv2.resize(yuv, half, interpolation=cv2.INTER_AREA),
        cv2.resize(mask, half, interpolation=cv2.INTER_AREA),
    )
    _mix(planes[0], cv2.extractChannel(yuv, 0), mask, x1, y1)
    for i in (1, 2):
        _mix(planes[i], cv2.extractChannel(small, i), small_mask, x1 // 2, y1 // 2)


def _mix(plane: U8, over: U8, mask: U8, x: int, y: int) -> None:
    """plane += (over - plane) * mask / 255; the patch may reach one sample past an odd edge."""
    base = plane[y : y + mask.shape[0], x : x + mask.shape[1]]
    h, w = base.shape
    over, mask = over[:h, :w], mask[:h, :w]
    kept = cv2.multiply(base, cv2.bitwise_not(mask), scale=1 / 255)
    base[...] = cv2.add(cv2.multiply(over, mask, scale=1 / 255), kept)
