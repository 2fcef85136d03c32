"""Parts of a face by its landmarks: which of them are swapped."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livefuse.composite.profiles.facefusion_masks import AREAS, Area
from livefuse.frame import F32, U8

_GRID_PX = 128
_SUBPIXEL_BITS = 4
_SEAM = 0.02  # standard deviation of the blurred outline, of the grid's side
_FOREHEAD = 0.6  # of the brow-to-chin height, as far as a crop reaches
_CORNERS = (58, 62)
TO_68 = np.array([*range(48), _CORNERS[0], *range(48, 53), _CORNERS[1], *range(53, 66)])
"""Where each of iBUG's 68 is among ours. The outer corners of the mouth are not: the inner ones stand for them."""


def to_68(landmarks: F32) -> F32:
    """Shapes: (66, 2) -> (68, 2)."""
    return landmarks[TO_68]


def drawn_areas(landmarks: F32, shape: tuple[int, ...], areas: Sequence[Area]) -> U8:
    """255 in the hull of some parts of a face, with a soft edge inside of it; the upper face has its forehead.

    Small, over the whole crop: its longer side is 128 px. Shapes: landmarks (66, 2), crop px; shape (h, w) of the crop.
    """
    scale = _GRID_PX / max(shape[:2])
    points = to_68(landmarks)[[i for area in areas for i in AREAS[area]]]
    if "upper-face" in areas:
        brows = landmarks[17:27]
        points = np.concatenate((points, brows + (brows.mean(axis=0) - landmarks[8]) * np.float32(_FOREHEAD)))
    mask = np.zeros((max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))), np.uint8)
    placed = ((points + 0.5) * scale - 0.5) * (1 << _SUBPIXEL_BITS)
    hull = cv2.convexHull(np.round(placed).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return inner_half(mask, _SEAM * _GRID_PX)


def inner_half(mask: U8, sigma_px: float) -> U8:
    """Blurred, and only the inner half of the ramp kept: outside of the shape nothing shows."""
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma_px)
    return np.asarray(cv2.convertScaleAbs(cv2.subtract(blurred, 127), alpha=255 / 128), np.uint8)
