"""Expressions as displacements on the chart: forwards for landmarks, backwards for pictures.

The picture asks "which neutral point shows here": first the soft parts (smile, brows), then the jaw, which parts the lips
along their line. Landmarks solve the same equations the other way round, so both always agree.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.chart import pair, smoothstep
from livefuse.source.synthetic.head import Layout
from livefuse.source.synthetic.pose import Expression
from livefuse.source.synthetic.texture import lip_edges

WARP_PX_PER_CM = 3.5


def soft_basis(a: F32, v: F32, at: Layout) -> tuple[F32, F32]:
    """Displacements (..., 2) in cm of a full smile and of fully raised brows."""
    corner = pair(a, v, at.mouth_half + 0.1, at.mouth_v, 1.5, 1.15)
    cheek = pair(a, v, 4.2, 3.9, 1.9, 1.5)
    smile = np.stack([np.sign(a) * (0.42 * corner + 0.12 * cheek), -0.48 * corner - 0.22 * cheek], axis=-1)
    lift = pair(a, v, 3.3, -2.6, 2.7, 1.35)
    return smile.astype(np.float32), np.stack([np.zeros_like(lift), -0.5 * lift], axis=-1).astype(np.float32)


def opening(a: F32, at: Layout, jaw: float) -> F32:
    """How far the lips are apart at a."""
    t = np.clip(np.abs(a) / (0.94 * at.mouth_half), 0, 1)
    return np.asarray(jaw * np.power(1 - t * t, 0.65), np.float32)


def _below(line: F32, v: F32) -> F32:
    """How much of the jaw's drop the skin below the lips takes beyond the local opening."""
    return smoothstep(0.6, 3.4, v - line)


class ChartWarp:
    """The backward map over a coarse grid of the chart; the parts that no frame changes are computed once."""

    def __init__(self, at: Layout) -> None:
        self.at = at
        self.a, self.v = chart.chart_grid(WARP_PX_PER_CM)
        self.rest = np.stack([self.a, self.v], axis=-1)
        self.smile, self.brow = soft_basis(self.a, self.v, at)
        self._line = lip_edges(self.a[0], at)[1][None]

    def backward(self, do: Expression) -> F32:
        """(H, W, 4): (a, v) after undoing smile and brows, then (a, v) after undoing the jaw too: neutral."""
        soft = self.rest - np.float32(do.smile) * self.smile - np.float32(do.brow) * self.brow
        if do.jaw <= 0:
            return np.ascontiguousarray(np.dstack([soft, soft]), np.float32)
        a, v = np.ascontiguousarray(soft[..., 0]), np.ascontiguousarray(soft[..., 1])
        line = self._line
        gap = opening(self.a[0], self.at, do.jaw)[None]
        drop = np.minimum(np.maximum(v - line, 0), gap) + (do.jaw - gap) * _below(line, v)
        return cv2.merge((a, v, a, np.asarray(v - drop, np.float32)))


def forward(points: F32, lower: np.ndarray, at: Layout, do: Expression) -> F32:
    """Neutral chart points (N, 2) -> where the expression carries them; `lower` marks points that hang on the jaw."""
    a, v0 = points[:, 0], points[:, 1]
    line, gap = lip_edges(a, at)[1], opening(a, at, do.jaw)
    v = v0 + np.where(lower, gap, 0)
    for _ in range(3 if do.jaw else 0):
        v = np.where(lower, v0 + gap + (do.jaw - gap) * _below(line, v), v0)
    jawed = np.stack([a, v], axis=-1)
    moved = jawed
    for _ in range(2 if do.smile or do.brow else 0):
        smile, brow = soft_basis(moved[:, 0], moved[:, 1], at)
        moved = jawed + do.smile * smile + do.brow * brow
    return np.asarray(moved, np.float32)
