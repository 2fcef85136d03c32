"""A smooth map from the target's face to the identity's photo.

A thin-plate spline instead of a triangle mesh: it has no creases along edges, and its smoothing term keeps landmark noise
and shut eyes from tearing it. It is fitted per frame (one solve of about 80 unknowns), evaluated on a coarse lattice and
enlarged: a few tenths of a millisecond.

Source: Bookstein, "Principal Warps", PAMI 1989; smoothing after Wahba, "Spline Models for Observational Data", 1990.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32

_CELL_PX = 10
_LEAST_CELLS, _MOST_CELLS = 12, 56


class Lattice(NamedTuple):
    """Samples of a map over a crop at cell centres; `field` (gh, gw, 2) float32 are photo px, `size` is (w, h) of the
    crop in px."""

    field: F32
    size: tuple[int, int]

    @property
    def cell_px(self) -> tuple[float, float]:
        return self.size[0] / self.field.shape[1], self.size[1] / self.field.shape[0]


class Spline:
    """Thin-plate smoothing splines through control points, in units in which a face is about 1 large."""

    def __init__(self, stiffness: F32) -> None:
        n = len(stiffness)
        self._system = np.zeros((n + 3, n + 3))
        self._right = np.zeros((n + 3, 2))
        self._diagonal = stiffness.astype(np.float64)

    def fit(self, centres: F32, values: F32) -> F32:
        """Coefficients (n + 3, 2) of the spline that carries `centres` to `values`, both (n, 2)."""
        n = len(centres)
        system = self._system
        system[:n, :n] = _kernel(_squared_distances(centres, centres))
        system[:n, :n].flat[:: n + 1] = self._diagonal
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
    """Cell centres in crop px, (m, 2), and the lattice's shape (gh, gw), for a crop of `size` (w, h)."""
    gw, gh = (int(np.clip(round(s / _CELL_PX), _LEAST_CELLS, _MOST_CELLS)) for s in size)
    xs = (np.arange(gw, dtype=np.float32) + 0.5) * (size[0] / gw) - 0.5
    ys = (np.arange(gh, dtype=np.float32) + 0.5) * (size[1] / gh) - 0.5
    points = np.empty((gh, gw, 2), np.float32)
    points[..., 0] = xs
    points[..., 1] = ys[:, None]
    return points.reshape(-1, 2), (gh, gw)


def enlarge(lane: Lane, lattice: Lattice) -> F32:
    """The map at every px of the crop, (h, w, 2)."""
    w, h = lattice.size
    gh, gw = lattice.field.shape[:2]
    # Cubic to twice the lattice hides its cells; from there linear is enough and four times as fast.
    finer = cv2.resize(lattice.field, (gw * 2, gh * 2), interpolation=cv2.INTER_CUBIC)
    out = lane.buffer("mesh.map", (h, w, 2), np.float32)
    cv2.resize(finer, (w, h), dst=out, interpolation=cv2.INTER_LINEAR)
    return out


class Jacobian(NamedTuple):
    """How a map distorts, per cell, (gh, gw): `area` in photo px² per crop px², negative where it folds over; `shear`, the
    logarithm of how much longer than wide a circle becomes."""

    area: F32
    shear: F32


def jacobian(lattice: Lattice) -> Jacobian:
    """The distortion of a map."""
    cx, cy = lattice.cell_px
    dx = cv2.Sobel(lattice.field, cv2.CV_32F, 1, 0, ksize=1, scale=0.5 / cx, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(lattice.field, cv2.CV_32F, 0, 1, ksize=1, scale=0.5 / cy, borderType=cv2.BORDER_REPLICATE)
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
