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


def on_crop(hole: Bools, space: Space, placed: Placed, image: U8) -> U8:
    """How much of the face is visible over a crop's extent. Shapes: hole (gh, gw), image (h, w, 3) -> (h', w')."""
    h, w = image.shape[:2]
    step = max(1.0, placed.cell_px / _FINER, max(h, w) / (4 * space.shape[0]))
    size = max(2, round(w / step)), max(2, round(h / step))
    # The map is smooth: inverted at a part of the pixels, it is known at all.
    few = max(2, size[0] // _SPARSE), max(2, size[1] // _SPARSE)
    cells = cv2.resize(cells_of(space, placed, _centres(few, (w, h))), size, interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 0.8)
    coarse = cv2.remap(soft, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    guide = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)
    radius = max(1, round(_REACH * placed.cell_px * size[0] / w / 2))
    fine = _guided(coarse, guide.astype(np.float32) / 255, 2 * radius + 1)
    low, high = _SOFT
    t = np.clip((fine - low) / (high - low), 0, 1)
    return np.asarray(255.5 - 255 * (t * t * (3 - 2 * t)), np.uint8)


def _centres(size: tuple[int, int], whole: tuple[int, int]) -> F32:
    """Where the pixels of a reduced image lie in the whole one, (h, w, 2)."""
    (w, h), (full_w, full_h) = size, whole
    points = np.empty((h, w, 2), np.float32)
    points[..., 0] = (np.arange(w, dtype=np.float32) + 0.5) * (full_w / w) - 0.5
    points[..., 1] = ((np.arange(h, dtype=np.float32) + 0.5) * (full_h / h) - 0.5)[:, None]
    return points


def _guided(values: F32, guide: F32, size: int) -> F32:
    """Source: He, Sun, Tang, "Guided Image Filtering", ECCV 2010, with a grey guide."""
    stack = cv2.blur(cv2.merge((values, guide, values * guide, guide * guide)), (size, size))
    mean, mean_guide, product, square = cv2.split(stack)
    slope = (product - mean * mean_guide) / (square - mean_guide * mean_guide + np.float32(_CONTRAST**2))
    slope, offset = cv2.split(cv2.blur(cv2.merge((slope, mean - slope * mean_guide)), (size, size)))
    return np.asarray(slope * guide + offset, np.float32)
