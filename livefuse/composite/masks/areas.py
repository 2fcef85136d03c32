"""Parts of a face by its landmarks: which of them are swapped."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from livefuse.composite.profiles.facefusion_masks import AREAS, Area
from livefuse.frame import F32, U8

_SUBPIXEL_BITS = 4
_SEAM = 0.02  # standard deviation of the blurred outline, of the crop's longer side
_FOREHEAD = 0.6  # of the brow-to-chin height, as far as a crop reaches
_CORNERS = (58, 62)
TO_68 = np.array([*range(48), _CORNERS[0], *range(48, 53), _CORNERS[1], *range(53, 66)])
"""Where each of iBUG's 68 is among ours. The outer corners of the mouth are not: the inner ones stand for them."""


def to_68(landmarks: F32) -> F32:
    """Shapes: (66, 2) -> (68, 2)."""
    return landmarks[TO_68]


def drawn_areas(landmarks: F32, shape: tuple[int, ...], areas: Sequence[Area]) -> U8:
    """255 in the hull of some parts of a face, with a soft edge inside of it; the upper face has its forehead.

    Shapes: landmarks (66, 2), px of an image of `shape` -> (h, w).
    """
    points = to_68(landmarks)[[i for area in areas for i in AREAS[area]]]
    if "upper-face" in areas:
        brows = landmarks[17:27]
        points = np.concatenate((points, brows + (brows.mean(axis=0) - landmarks[8]) * np.float32(_FOREHEAD)))
    mask = np.zeros(shape, np.uint8)
    hull = cv2.convexHull(np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return inner_half(mask, _SEAM * max(shape))


def inner_half(mask: U8, sigma_px: float) -> U8:
    """Blurred, and only the inner half of the ramp kept: outside of the shape nothing shows."""
    side = round(math.sqrt(6 * sigma_px**2 + 1)) | 1  # twice a box of this side: a tenth of the time of the Gaussian
    blurred = cv2.blur(cv2.blur(mask, (side, side)), (side, side))
    return np.asarray(cv2.convertScaleAbs(cv2.subtract(blurred, 127), alpha=255 / 128), np.uint8)
