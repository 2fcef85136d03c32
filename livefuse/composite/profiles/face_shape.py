"""How much of a swapped crop shows where: the shape of the face, with a seam inside of it.

Drawn on a small grid whatever the crop's size: the seam is smooth, and a few thousand pixels cost a few microseconds.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8
from livefuse.swap.mesh import topology

GRID_PX = 64
_SUBPIXEL_BITS = 4
# The hairline: fractions of the way from temple to temple, and heights over the eye line in nose lengths.
_HAIRLINE = np.array(
    [[0.0, 0.55], [0.06, 1.05], [0.28, 1.25], [0.5, 1.3], [0.72, 1.25], [0.94, 1.05], [1.0, 0.55]], np.float32
)
_SEAM = 0.04  # standard deviation of the blurred outline, of the crop's side
# Part of the blurred outline that becomes the ramp: from a little outside of the outline to well inside.
_RAMP = (0.3, 0.92)
_UNSEEN = 2.5  # of 255: fainter than what shows, and each pixel of it would be warped and blended
_BORDER = (0.015, 0.11)  # where the crop's own border fades in, of the crop's side
_OVAL = (0.5, 0.53, 0.40, 0.46)  # centre and half axes of a face that is known by its alignment only
_OVAL_POWER, _OVAL_SEAM = 2.6, 0.26
_LEAST_AREA = 0.04  # of the crop; landmarks that enclose less do not belong to this crop
_SQUARE = np.array([[0, 0], [GRID_PX, 0], [GRID_PX, GRID_PX], [0, GRID_PX]], np.float32)


def face_mask(landmarks: F32, side: int) -> U8:
    """Opacity (GRID_PX, GRID_PX) 0..255. Shapes: landmarks (66, 2), crop px of a crop of `side`, or no rows."""
    # pixel centres: the grid's first pixel spans side / GRID_PX of the crop's
    scale = GRID_PX / side
    outline = _outline((landmarks + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)) if len(landmarks) else None
    if outline is None:
        return oval()
    mask = np.zeros((GRID_PX, GRID_PX), np.uint8)
    fixed = np.round(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.GaussianBlur(mask, (0, 0), _SEAM * GRID_PX, dst=mask)
    return np.asarray(cv2.multiply(cv2.LUT(mask, _ramp()), frame(), scale=1 / 255), np.uint8)


@lru_cache(maxsize=1)
def oval() -> U8:
    """Where an aligned face lies, when no landmarks tell; read-only."""
    ys, xs = (np.mgrid[:GRID_PX, :GRID_PX] + 0.5) / GRID_PX
    x, y, half_width, half_height = _OVAL
    reach = (np.abs((xs - x) / half_width) ** _OVAL_POWER + np.abs((ys - y) / half_height) ** _OVAL_POWER) ** (
        1 / _OVAL_POWER
    )
    return _frozen(_smooth((1 - reach) / _OVAL_SEAM) * frame())


@lru_cache(maxsize=1)
def frame() -> U8:
    """0 at the crop's border, 255 inside, so that the border itself never shows; read-only."""
    place = np.arange(GRID_PX) / (GRID_PX - 1)
    low, high = _BORDER
    edge = _smooth((np.minimum(place, 1 - place) - low) / (high - low))
    return _frozen(255 * edge[:, None] * edge[None])


@lru_cache(maxsize=1)
def _ramp() -> U8:
    low, high = _RAMP
    ramp = 255 * _smooth((np.arange(256) / 255 - low) / (high - low))
    return _frozen(np.where(ramp < _UNSEEN, 0, ramp))


def _outline(landmarks: F32) -> F32 | None:
    """Hull of the landmarks and the hairline; None where the landmarks are no face, or one outside of the crop."""
    left, right = landmarks[topology.EYE_LEFT].mean(axis=0), landmarks[topology.EYE_RIGHT].mean(axis=0)
    eyes = (left + right) / 2
    across, up = right - left, eyes - landmarks[topology.NOSE_BASE]
    temples = landmarks[[0, 16]]
    # each temple at its own place along the eye line, so that the forehead is as wide as the jaw is
    along = ((temples - eyes) @ across / max(float(across @ across), 1e-6))[:, None] * across
    hairline = eyes + along[0] + _HAIRLINE[:, :1] * (along[1] - along[0]) + _HAIRLINE[:, 1:] * up
    points = np.concatenate((landmarks, hairline)).astype(np.float32)
    if not np.isfinite(points).all():
        return None
    hull = cv2.convexHull(points)
    shown, _ = cv2.intersectConvexConvex(hull, _SQUARE)
    return np.asarray(hull[:, 0], np.float32) if shown >= _LEAST_AREA * GRID_PX**2 else None


def _smooth(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    t = np.clip(values, 0, 1)
    return t * t * (3 - 2 * t)


def _frozen(values: npt.NDArray[np.floating]) -> U8:
    table = np.asarray(np.rint(values), np.uint8)
    table.flags.writeable = False
    return table
