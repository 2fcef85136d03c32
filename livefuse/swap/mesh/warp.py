"""A smooth map from the target's face to the identity's photo.

A thin-plate spline instead of a triangle mesh: it has no creases along edges, and its smoothing term keeps landmark noise
and shut eyes from tearing it. It is fitted per frame (one solve of about 80 unknowns), evaluated on a coarse lattice and
enlarged: a few tenths of a millisecond.

Source: Bookstein, "Principal Warps", PAMI 1989; smoothing after Wahba, "Spline Models for Observational Data", 1990.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32

PAD = 2
_CELL_PX = 10
_LEAST_CELLS, _MOST_CELLS = 12, 56


class Lattice(NamedTuple):
    """Samples of a map over a crop at cell centres.

    Shapes: padded (gh + 2 PAD, gw + 2 PAD, 2) float32, photo px: the crop's cells and PAD more all around, because
    enlarging flattens a lattice towards its borders; size (w, h) of the crop in px.
    """

    padded: F32
    size: tuple[int, int]

    @property
    def cell_px(self) -> tuple[float, float]:
        gh, gw = self.padded.shape[:2]
        return self.size[0] / (gw - 2 * PAD), self.size[1] / (gh - 2 * PAD)


class Spline:
    """Thin-plate smoothing splines through control points, in units in which a face is about 1 large."""

    def __init__(self, stiffness: F32) -> None:
        n = len(stiffness)
        self._system = np.zeros((n + 3, n + 3))
        self._right = np.zeros((n + 3, 2))
        self._diagonal = stiffness.astype(np.float64)

    def fit(self, centres: F32, values: F32, looseness: float = 1.0) -> F32:
        """Coefficients (n + 3, 2) of the spline that carries `centres` to `values`, both (n, 2).

        `looseness` multiplies how freely points may be missed: the larger, the nearer the map is to an affine one.
        """
        n = len(centres)
        system = self._system
        system[:n, :n] = _kernel(_squared_distances(centres, centres))
        system[:n, :n].flat[:: n + 1] = self._diagonal * looseness
        system[:n, n] = system[n, :n] = 1
        system[:n, n + 1 :] = centres
        system[n + 1 :, :n] = centres.T
        self._right[:n] = values
        return np.linalg.solve(system, self._right).astype(np.float32)


def evaluate(coefficients: F32, centres: F32, at: F32) -> F32:
    """The spline's values at points (m, 2)."""
    n = len(centres)
    basis = _kernel(_squared_distances(at, centres))
    out = basis @ coefficients[:n]
    out += at @ coefficients[n + 1 :]
    out += coefficients[n]
    return out


def lattice_points(size: tuple[int, int]) -> tuple[F32, tuple[int, int]]:
    """Cell centres in crop px, (m, 2), and the padded lattice's shape, for a crop of `size` (w, h)."""
    gw, gh = (int(np.clip(round(s / _CELL_PX), _LEAST_CELLS, _MOST_CELLS)) for s in size)
    xs = (np.arange(-PAD, gw + PAD, dtype=np.float32) + np.float32(0.5)) * np.float32(size[0] / gw) - np.float32(0.5)
    ys = (np.arange(-PAD, gh + PAD, dtype=np.float32) + np.float32(0.5)) * np.float32(size[1] / gh) - np.float32(0.5)
    points = np.empty((len(ys), len(xs), 2), np.float32)
    points[..., 0] = xs
    points[..., 1] = ys[:, None]
    return points.reshape(-1, 2), (len(ys), len(xs))


def enlarge(lane: Lane, lattice: Lattice) -> F32:
    """The map at every px of the crop, (h, w, 2)."""
    gh, gw = lattice.padded.shape[:2]
    # To twice the lattice by Catmull-Rom, which is exact for affine maps (OpenCV's cubic is not: it ripples by 0.3 px),
    # and from there linearly.
    rows = (_doubling(gh) @ lattice.padded.reshape(gh, -1)).reshape(-1, gw, 2)
    finer = np.matmul(_doubling(gw), rows)
    out = lane.buffer("mesh.map", (lattice.size[1], lattice.size[0], 2), np.float32)
    cv2.resize(finer, lattice.size, dst=out, interpolation=cv2.INTER_LINEAR)
    return out


@cache
def _doubling(n: int) -> F32:
    """(2 (n - 2 PAD), n): weights of a padded row of cells at twice its resolution, without the padding."""
    quarter = np.array([-0.0703125, 0.8671875, 0.2265625, -0.0234375], np.float32)  # Catmull-Rom at t = 1/4
    weights = np.zeros((2 * (n - 2 * PAD), n), np.float32)
    for cell in range(PAD, n - PAD):
        weights[2 * (cell - PAD), cell - 2 : cell + 2] = quarter[::-1]
        weights[2 * (cell - PAD) + 1, cell - 1 : cell + 3] = quarter
    return weights


def sample(lattice: Lattice, places: F32) -> F32:
    """The map at places in crop px. Shapes: (h, w, 2) -> (h, w, 2)."""
    cells = (places + np.float32(0.5)) / np.array(lattice.cell_px, np.float32) + np.float32(PAD - 0.5)
    return cv2.remap(lattice.padded, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class Jacobian(NamedTuple):
    """How a map distorts, per cell, (gh, gw): `area` in photo px² per crop px², negative where it folds over; `shear`, the
    logarithm of how much longer than wide a circle becomes."""

    area: F32
    shear: F32


def jacobian(lattice: Lattice) -> Jacobian:
    """The distortion of a map, on the crop's own cells."""
    cx, cy = lattice.cell_px
    field = lattice.padded
    dx = (field[PAD:-PAD, PAD + 1 : 1 - PAD] - field[PAD:-PAD, PAD - 1 : -PAD - 1]) * np.float32(0.5 / cx)
    dy = (field[PAD + 1 : 1 - PAD, PAD:-PAD] - field[PAD - 1 : -PAD - 1, PAD:-PAD]) * np.float32(0.5 / cy)
    area: F32 = dx[..., 0] * dy[..., 1] - dx[..., 1] * dy[..., 0]
    # With singular values s >= t: s² + t² is the sum of squares, s t the area.
    squares = (dx * dx + dy * dy).sum(2)
    ratio = squares / np.maximum(2 * np.abs(area), 1e-6)
    return Jacobian(area, np.arccosh(np.clip(ratio, 1, 1e4)))


def _squared_distances(a: F32, b: F32) -> F32:
    squared: F32 = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * (a @ b.T)
    return squared


def _kernel(squared: F32) -> F32:
    """r² log r², the thin plate's Green function up to a factor."""
    np.maximum(squared, 1e-8, out=squared)
    return cv2.multiply(squared, cv2.log(squared))
