"""From how much each cell of a face deviates to which part of it something hides."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.composite.masks.estimate_space import Bools, Space
from livefuse.frame import F32, U8

_CAP = 25.0
_BLUR_CELLS = 0.9 / 64
GROW = 2.6  # mean squared deviation of a cell that may belong to a hole
_SEED = 6.0  # and of one that says there is one
_STAY = 0.8  # of `GROW`, where there was a hole
_LEAST_SEEDS, _LEAST_SEEDS_STAYING = 0.012, 0.004  # of the face's area
_SURE_UNITS = 0.09  # inside the outline: nearer to it hair and background come and go
_CLOSE_UNITS = 0.32
_ISLAND = 0.08  # of the face's area: smaller visible parts enclosed by a hole belong to it
_RIM_UNITS = 0.3


def smoothed(deviation: F32, space: Space) -> F32:
    """Mean deviation around each cell; the face's uncertain border has no say. Shapes: (gh, gw)."""
    sigma, share = _border(space)
    mean = cv2.GaussianBlur(np.minimum(deviation, _CAP) * space.core, (0, 0), sigma)
    return np.asarray(mean * share, np.float32)


def find_hole(evidence: F32, before: Bools, space: Space) -> Bools:
    """The cells that something hides. Shapes: (gh, gw) each; `before` is the hole of the frame before."""
    if evidence.max() <= _SEED:  # most frames
        return np.zeros(space.shape, np.bool_)
    sure, face_cells = space.depth > _SURE_UNITS, space.face_cells
    grown = (evidence > np.where(before, np.float32(_STAY * GROW), np.float32(GROW))) & sure
    candidates = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, _disc(3))
    count, label = cv2.connectedComponents(candidates, connectivity=8)
    seeds = np.bincount(label[evidence > _SEED], minlength=count)
    known = np.bincount(label[before], minlength=count) > 0
    real = seeds >= np.where(known, _LEAST_SEEDS_STAYING, _LEAST_SEEDS) * face_cells
    real[0] = False
    if not real.any():
        return np.zeros(space.shape, np.bool_)
    hole = cv2.morphologyEx(real[label].astype(np.uint8), cv2.MORPH_CLOSE, _disc(_cells(_CLOSE_UNITS, space)))
    _fill_islands(hole, _ISLAND * face_cells)
    # Nothing ends at the outline of the face: what touches the border goes on beyond it.
    beyond = cv2.dilate(hole, _disc(_cells(_RIM_UNITS, space)))
    return np.asarray((hole | np.where(sure, 0, beyond)) > 0, np.bool_)


def still_parts(hole: Bools, moves: Bools, share: float) -> Bools:
    """The connected parts of a hole, and what is next to them, of which less than `share` moves. `moves` (gh, gw): where
    something does."""
    count, label = cv2.connectedComponents(cv2.dilate(hole.astype(np.uint8), _disc(5)), connectivity=8)
    area = np.bincount(label.ravel(), minlength=count)
    moving = np.bincount(label[moves], minlength=count)
    still = moving < share * area
    still[0] = False
    return np.asarray(still[label], np.bool_)


def widened(hole: Bools, cells: int) -> Bools:
    """A hole and what is up to `cells` away from it."""
    return np.asarray(cv2.dilate(hole.astype(np.uint8), _disc(2 * cells + 1)) > 0, np.bool_)


def _fill_islands(hole: U8, most_cells: float) -> None:
    _, label, stats, _ = cv2.connectedComponentsWithStats(1 - hole, connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] < most_cells
    small[0] = False
    hole[small[label]] = 1


def _cells(units: float, space: Space) -> int:
    return 2 * round(units / space.cell_units / 2) + 1


@lru_cache(maxsize=4)
def _border(space: Space) -> tuple[float, F32]:
    """How far deviations are spread, cells, and what makes a mean of what then is left of them, (gh, gw)."""
    sigma = _BLUR_CELLS * space.shape[0]
    return sigma, np.asarray(1 / np.maximum(cv2.GaussianBlur(space.core, (0, 0), sigma), 0.3), np.float32)


@lru_cache(maxsize=16)
def _disc(size: int) -> npt.NDArray[np.uint8]:
    shape = cv2.MORPH_RECT if size <= 3 else cv2.MORPH_ELLIPSE
    return np.asarray(cv2.getStructuringElement(shape, (size, size)), np.uint8)
