"""A hole in a face's own space, carried back to the crop and drawn to the edges of its picture."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.composite.masks.estimate_space import Bools, Placed, Space, cells_of
from livefuse.frame import F32, U8

_SPARSE = 3
_FINER = 1.5  # pixels of the result to a cell of the grid
_REACH = 3.0  # of a cell: how far an outline may move to meet an edge
_CONTRAST = 0.02  # of 1: weaker edges do not hold it
_SOFT = (0.25, 0.75)
_T = np.clip((np.arange(256) / 255 - _SOFT[0]) / (_SOFT[1] - _SOFT[0]), 0, 1)
_VISIBLE = np.round(255 - 255 * _T * _T * (3 - 2 * _T)).astype(np.uint8)  # of how much is hidden, 0..255


def on_crop(hole: Bools, space: Space, placed: Placed, image: U8) -> U8:
    """How much of the face is visible over a crop's extent. Shapes: hole (gh, gw), image (h, w, 3) -> (h', w')."""
    h, w = image.shape[:2]
    step = max(1.0, placed.cell_px / _FINER, max(h, w) / (4 * space.shape[0]))
    half = max(2, round(w / step / 2)), max(2, round(h / step / 2))
    size = 2 * half[0], 2 * half[1]
    # The map is smooth: inverted at a part of the pixels, it is known at all.
    few = max(2, half[0] // _SPARSE), max(2, half[1] // _SPARSE)
    cells = cv2.resize(cells_of(space, placed, _centres(few, (w, h))), half, interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 0.8)
    coarse = cv2.remap(soft, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    guide = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)
    radius = max(1, round(_REACH * placed.cell_px * half[0] / w / 2))
    return np.asarray(cv2.LUT(_guided(coarse, np.asarray(guide, np.uint8), 2 * radius + 1), _VISIBLE), np.uint8)


def _centres(size: tuple[int, int], whole: tuple[int, int]) -> F32:
    """Where the pixels of a reduced image lie in the whole one, (h, w, 2)."""
    (w, h), (full_w, full_h) = size, whole
    points = np.empty((h, w, 2), np.float32)
    points[..., 0] = (np.arange(w, dtype=np.float32) + 0.5) * (full_w / w) - 0.5
    points[..., 1] = ((np.arange(h, dtype=np.float32) + 0.5) * (full_h / h) - 0.5)[:, None]
    return points


def _guided(values: F32, guide: U8, size: int) -> U8:
    """Values of 0..1 drawn to the edges of a grey guide of twice their size, 0..255 at its size.

    Source: He, Sun, "Fast Guided Filter", 2015.
    """
    small = cv2.resize(guide, values.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    small *= np.float32(1 / 255)
    window = (size, size)
    mean, mean_guide = cv2.blur(values, window), cv2.blur(small, window)
    product, square = cv2.blur(values * small, window), cv2.blur(small * small, window)
    square -= mean_guide * mean_guide
    square += np.float32(_CONTRAST**2)
    product -= mean * mean_guide
    slope = product / square
    mean -= slope * mean_guide
    mean *= 255
    whole = guide.shape[::-1]
    slope = cv2.resize(cv2.blur(slope, window), whole, interpolation=cv2.INTER_LINEAR)
    offset = cv2.resize(cv2.blur(mean, window), whole, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.add(cv2.multiply(slope, guide, dtype=cv2.CV_32F), offset, dtype=cv2.CV_8U), np.uint8)
