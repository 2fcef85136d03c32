"""Which part of a region a paste touches: most of a face's bounding box is either opaque or left as it is.

Found on the mask before it is warped, in its own px: a polygon around what may be touched, and a square of what is surely
opaque. Both err on the safe side, so that the pasted picture is the same as without them.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.planes import Affine, Region, inverted
from livefuse.frame import U8

_LEAST_ROWS, _MOST_BANDS = 80, 10  # a band costs about 40 us beside its pixels
_LARGEST_MASK_PX = 160
_LEAST_SQUARE_PX = 256  # below, leaving out the opaque middle costs more than blending it
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_NONE = Region(0, 0, 0, 0)
# Directions in which the touched part is bounded: five to the left, five to the right, down and up.
_SLANTS = np.radians([-64, -36, 0, 36, 64])
_SINES = np.tile(np.sin(_SLANTS), 2)
_COSINES = np.tile(np.cos(_SLANTS), 2)
_WAYS = np.column_stack((np.stack((np.repeat([-1, 1], 5) * _COSINES, _SINES)), [0, 1], [0, -1]))


class Band(NamedTuple):
    """Rows y1..y2 of a region, its touched columns x1..x2, and the opaque ones among them (none: both ends are x2)."""

    y1: int
    y2: int
    x1: int
    x2: int
    opaque_x1: int
    opaque_x2: int


def bands_of(mask: U8, to_mask: Affine, region: Region) -> list[Band]:
    """The bands that a paste has to look at, on even rows and columns. `to_mask` carries px of the region to px of the mask.

    The mask ends in a ring of 0. Outside of a band's x1..x2 it shows 0 only, between its opaque ends 255 only.
    """
    bounds = _bounds(mask, to_mask)
    if bounds is None:
        return []
    square = _opaque_square(mask, to_mask, region)
    top, bottom = _even(-bounds[-1], bounds[-2], region.height)
    cuts = _cuts(top, bottom, square)
    bands = []
    for y1, y2, low, high in zip(cuts, cuts[1:], *_extents(bounds[:-2], cuts), strict=False):
        x1, x2 = _even(low, high, region.width)
        if x1 >= x2:
            continue
        solid = x2, x2
        if square.width and square.y <= y1 and y2 <= square.y + square.height:
            solid = max(x1, square.x), min(x2, square.x + square.width)
        bands.append(Band(y1, y2, x1, x2, *(solid if solid[0] < solid[1] else (x2, x2))))
    return bands


def _bounds(mask: U8, to_mask: Affine) -> list[float] | None:
    """How far what a bilinear sample sees of the mask reaches in each of `_WAYS`, px of the region; None: nowhere."""
    touched, to_small = mask, to_mask
    while max(touched.shape) > _LARGEST_MASK_PX:  # every other pixel, after each has spoken for its neighbours
        touched = np.ascontiguousarray(cv2.dilate(touched, _NEIGHBOURS)[::2, ::2])
        to_small = to_small / 2
    shapes, _ = cv2.findContours(touched, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not shapes:
        return None
    to_region = inverted(to_small)
    rim = (shapes[0] if len(shapes) == 1 else np.concatenate(shapes))[:, 0]
    ways = to_region[:, :2].T @ _WAYS  # the same directions on the mask, where a pixel is seen from 1 px away
    reach = (rim @ ways).max(axis=0) + np.abs(ways).sum(axis=0) + to_region[:, 2] @ _WAYS
    return [float(r) for r in reach]


def _extents(reach: list[float], cuts: list[int]) -> tuple[list[float], list[float]]:
    """Least and greatest x in each band between two cuts, from the reach to the left and right."""
    ys = np.array(cuts, np.float64)
    edges = (np.array(reach)[:, None] - _SINES[:, None] * ys) / _COSINES[:, None]
    furthest = np.maximum(edges[:, :-1], edges[:, 1:])
    half = len(reach) // 2
    return (-furthest[:half].min(axis=0)).tolist(), furthest[half:].min(axis=0).tolist()


def _even(low: float, high: float, limit: int) -> tuple[int, int]:
    """Whole pixels from `low` to `high`, both included, out to even ones inside of 0..limit."""
    start = min(max(0, math.floor(low) & ~1), limit)
    return start, max(start, min(limit, math.ceil(high) + 2 & ~1))


def _opaque_square(mask: U8, to_mask: Affine, region: Region) -> Region:
    """A square of the region that sees 255 only, on even rows; of width 0 where none is worth it."""
    if min(region.width, region.height) < 2 * _LEAST_SQUARE_PX:
        return _NONE
    opaque, to_small = cv2.compare(mask, 255, cv2.CMP_EQ), to_mask
    while max(opaque.shape) > _LARGEST_MASK_PX // 2:
        opaque = np.ascontiguousarray(cv2.erode(opaque, _NEIGHBOURS)[::2, ::2])
        to_small = to_small / 2
    _, deepest, _, centre = cv2.minMaxLoc(cv2.distanceTransform(opaque, cv2.DIST_C, 3))
    half = (deepest - 1) / np.abs(to_small[:, :2]).sum(axis=1).max()
    to_region = inverted(to_small)
    x, y = (to_region[:, :2] @ centre + to_region[:, 2]).tolist()
    x1, y1 = max(0, math.ceil(x - half)), max(0, math.ceil(y - half) + 1 & ~1)
    x2, y2 = min(region.width, int(x + half)), min(region.height, int(y + half) & ~1)
    return Region(x1, y1, x2 - x1, y2 - y1) if min(x2 - x1, y2 - y1) >= _LEAST_SQUARE_PX else _NONE


def _cuts(top: int, bottom: int, square: Region) -> list[int]:
    """Where bands begin and end; the square has its own."""
    stops = [top, square.y, square.y + square.height, bottom] if square.width else [top, bottom]
    rows = max(_LEAST_ROWS, (bottom - top) // _MOST_BANDS)
    cuts = [top]
    for first, last in pairwise(stops):
        count = max(1, round((last - first) / rows))
        cuts += [first + (last - first) * i // count & ~1 for i in range(1, count + 1)]
    return cuts
