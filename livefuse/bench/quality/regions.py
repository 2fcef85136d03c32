"""Where a face was swapped: the region that changed, its inside, its edge, and a ring on each side of its seam.

Lengths are in the face's own unit (`swap.mesh.topology.FaceFrame.unit_px`, about the distance between the eyes and the nose's
length together), so that figures of large and small faces compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8

Mask = npt.NDArray[np.bool_]

LEAST_CHANGE = 3
"""Grey levels of the most changed channel from which a pixel counts as swapped: less is not seen, and soft masks fade to it."""
EDGE_UNITS = (-0.03, 0.15)
"""From outside the seam to inside: soft masks take up to that to become opaque."""
RING_OUTSIDE_UNITS, RING_INSIDE_UNITS = (-0.10, -0.01), (0.12, 0.24)
"""The inner ring begins behind the soft edge, where colours are the swap's own."""
_CLOSE_UNITS = 0.06
_LEAST_UNITS2 = 0.25  # a region smaller than that is no face: a blink, a mouth


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Shapes: depth (h, w) float32, distance to the region's outline, px, positive inside; one face unit is `unit_px`."""

    depth: F32
    unit_px: float

    def between(self, units: tuple[float, float]) -> Mask:
        low, high = units
        return np.asarray((self.depth > low * self.unit_px) & (self.depth <= high * self.unit_px), np.bool_)

    @property
    def edge(self) -> Mask:
        return self.between(EDGE_UNITS)

    @property
    def inner(self) -> Mask:
        return np.asarray(self.depth > EDGE_UNITS[1] * self.unit_px, np.bool_)

    def united(self, other: Region | None) -> Region:
        """Both regions; an outline that jumps has its edge in both places."""
        return self if other is None else Region(depth_of((self.depth > 0) | (other.depth > 0)), self.unit_px)


def swapped_region(original: U8, swapped: U8, unit_px: float) -> Region | None:
    """The largest connected part that changed, its holes filled (eyes and mouth may be kept). None where no face was swapped.

    Shapes: (h, w, 3) RGB twice.
    """
    changed = (cv2.absdiff(original, swapped).max(axis=2) >= LEAST_CHANGE).astype(np.uint8)
    if not changed.any():
        return None
    pad = max(1, round(_CLOSE_UNITS * unit_px))  # closing must not stick to the picture's edge
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad + 1, 2 * pad + 1))
    wide = cv2.morphologyEx(cv2.copyMakeBorder(changed, pad, pad, pad, pad, cv2.BORDER_CONSTANT), cv2.MORPH_CLOSE, disc)
    contours, _ = cv2.findContours(wide[pad:-pad, pad:-pad], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea, default=None)
    if outline is None or cv2.contourArea(outline) < _LEAST_UNITS2 * unit_px**2:
        return None
    filled = np.zeros(changed.shape, np.uint8)
    cv2.drawContours(filled, [outline], -1, 1, cv2.FILLED)
    return Region(depth_of(filled > 0), unit_px)


def depth_of(region: Mask) -> F32:
    """Distance to the outline, px, positive inside, negative outside; the outline runs between pixels."""
    inside, outside = (np.ascontiguousarray(part, np.uint8) for part in (region, ~region))
    if not inside.any() or not outside.any():
        return np.full(region.shape, np.inf if inside.any() else -np.inf, np.float32)
    to_outside, to_inside = (
        cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for part in (inside, outside)
    )
    return np.asarray(np.where(region, to_outside - 0.5, 0.5 - to_inside), np.float32)
