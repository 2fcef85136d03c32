"""Which part of a region a paste touches: most of a face's bounding box is either opaque or left as it is.

Found on the mask before it is warped, in its own px: a convex outline of what may be touched, and a square of what is surely
opaque. Both err on the safe side, so that the pasted picture is the same as without them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.device.planes import Affine, Region, inverted
from livefuse.frame import U8

_LEAST_ROWS, _MOST_BANDS = 56, 12  # a band costs about 20 us beside its pixels
_LARGEST_MASK_PX = 160
_LEAST_SQUARE_PX = 256  # below, leaving out the opaque middle costs more than blending it
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.int32)
_NONE = Region(0, 0, 0, 0)
_Points = npt.NDArray[np.float64]


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
    outline = _outline(mask, to_mask)
    if outline is None:
        return []
    square = _opaque_square(mask, to_mask, region)
    cuts = _cuts(outline, square, region)
    bands = []
    for (y1, y2), (low, high) in zip(pairwise(cuts), _extents(outline.tolist(), cuts), strict=True):
        x1, x2 = max(0, math.floor(low) & ~1), min(region.width, math.ceil(high) + 2 & ~1)
        if x1 >= x2:
            continue
        solid = x2, x2
        if square.width and square.y <= y1 and y2 <= square.y + square.height:
            solid = max(x1, square.x), min(x2, square.x + square.width)
        bands.append(Band(y1, y2, x1, x2, *(solid if solid[0] < solid[1] else (x2, x2))))
    return bands


def _outline(mask: U8, to_mask: Affine) -> _Points | None:
    """Convex hull (n, 2), px of the region, of where a bilinear sample sees more than 0; None where nothing does."""
    touched, to_small = mask, to_mask
    while max(touched.shape) > _LARGEST_MASK_PX:  # every other pixel, after each has spoken for its neighbours
        touched = np.ascontiguousarray(cv2.dilate(touched, _NEIGHBOURS)[::2, ::2])
        to_small = to_small / 2
    shapes, _ = cv2.findContours(touched, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not shapes:
        return None
    hull = cv2.convexHull(np.concatenate(shapes))
    grown = cv2.convexHull((hull + _CORNERS).reshape(-1, 1, 2))[:, 0]
    to_region = inverted(to_small)
    return np.asarray(grown @ to_region[:, :2].T + to_region[:, 2], np.float64)


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


def _cuts(outline: _Points, square: Region, region: Region) -> list[int]:
    """Where bands begin and end; the square has its own."""
    low, high = float(outline[:, 1].min()), float(outline[:, 1].max())
    top = min(max(0, math.floor(low) & ~1), region.height)
    bottom = max(top, min(region.height, math.ceil(high) + 2 & ~1))
    stops = [top, square.y, square.y + square.height, bottom] if square.width else [top, bottom]
    rows = max(_LEAST_ROWS, (bottom - top) // _MOST_BANDS)
    cuts = {top}
    for first, last in pairwise(stops):
        count = max(1, round((last - first) / rows))
        cuts |= {first + (last - first) * i // count & ~1 for i in range(1, count)} | {last}
    return sorted(cuts)


def _extents(outline: list[list[float]], cuts: list[int]) -> list[tuple[float, float]]:
    """Least and greatest x of a closed convex outline in each band between two cuts; -1 and -3 where it does not reach.

    A few dozen edges: plain numbers take half the time of arrays.
    """
    count = len(cuts) - 1
    lows, highs = [math.inf] * count, [-math.inf] * count
    xb, yb = outline[-1]
    for xc, yc in outline:
        x1, y1, x2, y2 = (xb, yb, xc, yc) if yb <= yc else (xc, yc, xb, yb)
        xb, yb = xc, yc
        slope = (x2 - x1) / (y2 - y1) if y2 > y1 else 0.0
        last = bisect_right(cuts, y2) - 1
        for band in range(max(0, bisect_right(cuts, y1) - 1), min(last, count - 1) + 1):
            start = x1 + slope * max(0.0, cuts[band] - y1)
            stop = x2 if band == last else x1 + slope * (cuts[band + 1] - y1)
            lows[band], highs[band] = min(lows[band], start, stop), max(highs[band], start, stop)
    return [(low, high) if low <= high else (-1.0, -3.0) for low, high in zip(lows, highs, strict=True)]
