"""How much of a swapped crop shows where: the shape of the face, with a seam inside of it.

Drawn on a small grid whatever the crop's size: the seam is smooth, and a few thousand pixels cost a few microseconds.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8
from livefuse.swap.mesh import topology

GRID_PX = 128
_SUBPIXEL_BITS = 4
_JAW_AND_HAIRLINE = [*range(66), *topology.HAIRLINE]
_SEAM = 0.04  # standard deviation of the blurred outline, of the crop's side
# Part of the blurred outline that becomes the ramp: from a little outside of the outline to well inside.
_RAMP = (0.3, 0.92)
_BORDER = (0.015, 0.11)  # where the crop's own border fades in, of the crop's side
_OVAL = (0.5, 0.53, 0.40, 0.46)  # centre and half axes of a face that is known by its alignment only
_OVAL_POWER, _OVAL_SEAM = 2.6, 0.26
_LEAST_AREA = 0.04  # of the crop; landmarks that enclose less do not belong to this crop


def face_mask(landmarks: F32, side: int) -> U8:
    """Opacity (GRID_PX, GRID_PX) 0..255. Shapes: landmarks (66, 2), crop px of a crop of `side`, or no rows."""
    outline = _outline(landmarks * np.float32(GRID_PX / side)) if len(landmarks) else None
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
    ys, xs = (np.mgrid[:GRID_PX, :GRID_PX].astype(np.float32) + np.float32(0.5)) / np.float32(GRID_PX)
    x, y, half_width, half_height = _OVAL
    reach = (np.abs((xs - x) / half_width) ** _OVAL_POWER + np.abs((ys - y) / half_height) ** _OVAL_POWER) ** (
        1 / _OVAL_POWER
    )
    return _frozen(_smooth((1 - reach) / _OVAL_SEAM) * frame())


@lru_cache(maxsize=1)
def frame() -> U8:
    """0 at the crop's border, 255 inside, so that the border itself never shows; read-only."""
    place = (np.arange(GRID_PX, dtype=np.float32) + 0.5) / GRID_PX
    low, high = _BORDER
    edge = _smooth((np.minimum(place, 1 - place) - low) / (high - low))
    return _frozen(255 * edge[:, None] * edge[None])


@lru_cache(maxsize=1)
def _ramp() -> U8:
    low, high = _RAMP
    return _frozen(255 * _smooth((np.arange(256, dtype=np.float32) / 255 - low) / (high - low)))


def _outline(landmarks: F32) -> F32 | None:
    """Hull of the landmarks and the hairline; None where the landmarks are no face, or one outside of the crop."""
    try:
        controls = topology.control_points(landmarks, topology.face_frame(landmarks))
    except DegenerateFace:
        return None
    hull = cv2.convexHull(controls[_JAW_AND_HAIRLINE])[:, 0]
    inside = cv2.intersectConvexConvex(hull, _SQUARE)[0]
    return np.asarray(hull, np.float32) if inside >= _LEAST_AREA * GRID_PX**2 else None


_SQUARE = np.array([[0, 0], [GRID_PX, 0], [GRID_PX, GRID_PX], [0, GRID_PX]], np.float32)


def _smooth(values: npt.NDArray[np.floating]) -> F32:
    t = np.clip(values, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _frozen(values: F32) -> U8:
    table = np.asarray(np.rint(values), np.uint8)
    table.flags.writeable = False
    return table
