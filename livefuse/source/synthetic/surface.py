"""Casts the camera's rays onto the head: for each pixel of a coarse grid, which chart point it sees.

Source: sphere tracing with Newton steps (Hart 1996), on the implicit function |p| - radius(direction).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.chart import A_BACK, A_SCALE, BOTTOM, DOME, TOP, Floats
from livefuse.source.synthetic.pose import PIVOT, Pose

_STEPS = 5
_NEAR_CM = 11.4
_FURTHER_CM = (0.6, 1.1)


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the frame on the chroma grid, seen through a coarse grid with `step` px cells."""

    x: int
    y: int
    columns: int
    rows: int
    step: int

    @property
    def width(self) -> int:
        return self.columns * self.step

    @property
    def height(self) -> int:
        return self.rows * self.step


@dataclass(frozen=True, slots=True)
class Hits:
    """Shapes: a, v (rows, columns) float32: the chart point seen; outside: cm by which the ray misses, < 0 on the head."""

    a: Floats
    v: Floats
    outside: Floats


def region_of(outline_px: F32, step: int) -> Region:
    """The smallest region that holds the points (N, 2), plus a margin."""
    low, high = outline_px.min(axis=0) - step, outline_px.max(axis=0) + step
    x, y = int(np.floor(low[0] / 2)) * 2, int(np.floor(low[1] / 2)) * 2
    columns, rows = -(-int(high[0] - x) // step), -(-int(high[1] - y) // step)
    return Region(x, y, columns + columns % 2, rows + rows % 2, step)


def cast(radius: F32, pose: Pose, region: Region, behind_cm: float) -> Hits:
    """`radius` is the head's radius over the chart in the present expression; the surface is followed `behind_cm` further
    back than the axis, so that a far ear shows behind the outline of the cheek."""
    rotation = pose.rotation
    xs = ((region.x + (np.arange(region.columns) + 0.5) * region.step - 0.5) - pose.x_px) / pose.px_per_cm
    ys = ((region.y + (np.arange(region.rows) + 0.5) * region.step - 0.5) - pose.y_px) / pose.px_per_cm
    x0, y0, z0 = (
        (PIVOT[i] + rotation[0, i] * xs[None] + rotation[1, i] * ys[:, None]).astype(np.float32) for i in range(3)
    )
    dx, dy, dz = (np.float32(rotation[2, i]) for i in range(3))
    closest = -(x0 * dx + z0 * dz) / np.float32(dx * dx + dz * dz)
    outside = _probe(radius, x0 + closest * dx, y0 + closest * dy, z0 + closest * dz)[0]
    if behind_cm:
        closest = closest - np.float32(behind_cm)
        outside = np.minimum(outside, _probe(radius, x0 + closest * dx, y0 + closest * dy, z0 + closest * dz)[0])
    depth = np.maximum(closest, np.sqrt(np.maximum(_NEAR_CM**2 - np.float32(0.45) * (x0 * x0 + y0 * y0), 0)))
    for _ in range(_STEPS):
        x, y, z = x0 + depth * dx, y0 + depth * dy, z0 + depth * dz
        gap, length, lifted, _, _ = _probe(radius, x, y, z)
        slope = (x * dx + z * dz + lifted * dy) / length
        depth = np.maximum(depth - gap / np.maximum(slope, np.float32(0.6)), closest)
    gap, _, _, a, v = _probe(radius, x0 + depth * dx, y0 + depth * dy, z0 + depth * dz)
    outside = np.minimum(outside, gap)
    for further in _FURTHER_CM:  # behind the hit the ray is inside, the deeper the further the outline is
        depth = depth - np.float32(further)
        outside = np.minimum(outside, _probe(radius, x0 + depth * dx, y0 + depth * dy, z0 + depth * dz)[0])
    return Hits(a, v, outside)


def _probe(radius: F32, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """At points of head space: distance outside the surface, |p|, p's height beyond the cylinder, a, v."""
    straight = np.minimum(np.maximum(y, np.float32(TOP)), np.float32(BOTTOM))
    lifted = y - straight
    square = x * x + z * z
    rho = np.sqrt(square)
    length = np.maximum(np.sqrt(square + lifted * lifted), np.float32(0.1))
    a = x * np.float32(A_SCALE) / np.maximum(z + np.float32(A_BACK) * rho, np.float32(0.05))
    v = straight + np.float32(DOME) * lifted / length
    there = cv2.remap(radius, *chart.to_texel(a, v, radius.shape), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return length - there, length, lifted, a, v
