"""FaceFusion's masks over a crop, float32 0..1.

Source: facefusion 3.8.1 face_masker.py, by its contract; checked against values worked out by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32

Padding = tuple[int, int, int, int]
Area = Literal["upper-face", "lower-face", "mouth"]

_SOFTENING_PX = 5.0
AREAS: dict[Area, tuple[int, ...]] = {
    "upper-face": (0, 1, 2, *range(31, 36), 14, 15, 16, *range(26, 16, -1)),
    "lower-face": (*range(3, 14), *range(35, 30, -1)),
    "mouth": tuple(range(48, 68)),
}
"""Indices into iBUG's 68 landmarks."""


@lru_cache(maxsize=32)
def box_mask(side: int, blur: float, padding: Padding) -> F32:
    """1 inside, 0 along the border, blurred between; read-only. `padding` is percent at top, right, bottom, left."""
    amount = int(side * 0.5 * blur)
    band = max(amount // 2, 1)
    top, right, bottom, left = (max(band, int(side * percent / 100)) for percent in padding)
    mask = np.ones((side, side), np.float32)
    mask[:top], mask[-bottom:], mask[:, :left], mask[:, -right:] = 0, 0, 0, 0
    if amount > 0:
        mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), amount * 0.25), np.float32)
    mask.flags.writeable = False
    return mask


def area_mask(side: int, landmarks: npt.NDArray[np.floating], areas: Sequence[Area]) -> F32:
    """The hull of parts of a face. Shapes: landmarks (68, 2), crop px."""
    mask = np.zeros((side, side), np.float32)
    points = landmarks[[i for area in areas for i in AREAS[area]]].astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points), 1.0)
    return softened(mask)


def softened(mask: F32) -> F32:
    """Blurred, and only the inner half of the ramp kept: outside of the shape nothing shows."""
    blurred = cv2.GaussianBlur(mask.clip(0, 1), (0, 0), _SOFTENING_PX)
    return np.asarray((blurred.clip(0.5, 1) - 0.5) * 2, np.float32)
