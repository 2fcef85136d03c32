"""A small RGBA bitmap to draw anti-aliased shapes and text on. Colours are not premultiplied."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.composite.text import REGULAR, baseline, coverage
from livefuse.frame import U8

Ink: TypeAlias = tuple[int, int, int]
Points: TypeAlias = npt.NDArray[np.float64]
_SUBPIXEL_BITS = 4


class Canvas:
    """Starts transparent; `under` is the colour beneath, so that averages over the edge of a shape keep its tone."""

    def __init__(self, height: int, width: int, under: Ink) -> None:
        self._under = under
        # planes of premultiplied light, 0..255: laying over is then linear, and NumPy has long rows to work on
        self._light = np.zeros((4, height, width), np.float32)

    def copy(self) -> Canvas:
        """The same drawing, to go on with."""
        twin = Canvas(0, 0, self._under)
        twin._light = self._light.copy()
        return twin

    def text(
        self,
        text: str,
        x: float,
        base: float,
        size_px: int,
        ink: Ink,
        weight: int = REGULAR,
        align: Literal["left", "right", "centre"] = "left",
    ) -> int:
        """Draw a line with its baseline at row `base`; answers the column where it ends."""
        mask = coverage(text, size_px, weight)
        left = round(x - {"left": 0.0, "right": 1.0, "centre": 0.5}[align] * mask.shape[1])
        self.stamp(mask, left, round(base) - baseline(size_px), ink)
        return left + mask.shape[1]

    def rounded(self, x: float, y: float, width: float, height: float, radius: float, ink: Ink, alpha: float) -> None:
        """A filled rectangle with round corners, `alpha` 0..1; exact to a quarter of a pixel."""
        x, y, width, height = (round(4 * value) / 4 for value in (x, y, width, height))
        left, top = int(np.floor(x)), int(np.floor(y))
        self.stamp(_rounded(x - left, y - top, width, height, radius, alpha), left, top, ink)

    def ring(self, x: float, y: float, radius: float, thickness: float, ink: Ink) -> None:
        """A circle's outline around (x, y)."""
        reach = int(np.ceil(radius + thickness))
        x1, y1 = int(x) - reach, int(y) - reach
        ys, xs = np.mgrid[0 : 2 * reach + 1, 0 : 2 * reach + 1]
        off = np.abs(np.hypot(xs + x1 - x, ys + y1 - y) - radius)
        self.stamp(np.rint(np.clip(thickness / 2 + 0.5 - off, 0, 1) * 255).astype(np.uint8), x1, y1, ink)

    def line(self, points: Points, ink: Ink, thickness: int = 1) -> None:
        """An open line through points (N, 2) x, y."""
        mask, x, y = _room(points, thickness)
        cv2.polylines(mask, [_fixed(points, x, y)], False, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
        self.stamp(mask, x, y, ink)

    def area(self, points: Points, ink: Ink, alpha: float) -> None:
        """A filled polygon."""
        mask, x, y = _room(points, 1)
        cv2.fillPoly(mask, [_fixed(points, x, y)], round(255 * alpha), cv2.LINE_AA, _SUBPIXEL_BITS)
        self.stamp(mask, x, y, ink)

    def dots(self, points: Points, radius: float, ink: Ink) -> None:
        """Filled circles around points (N, 2), however many, at the price of one shape."""
        if not len(points):
            return
        mask, x, y = _room(points, int(radius) + 1)
        for at in _fixed(points, x, y):
            cv2.circle(mask, at.tolist(), round(radius * 2**_SUBPIXEL_BITS), 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        self.stamp(mask, x, y, ink)

    def dashes(self, x: float, y: float, width: float, dash: float, thickness: float, ink: Ink, alpha: float) -> None:
        """A horizontal dashed line centred on row `y`; gaps are a little wider than dashes."""
        columns = np.arange(max(1, round(width)))
        row = np.where(columns % (2.3 * dash) < dash, round(255 * alpha), 0).astype(np.uint8)
        rows = max(1, round(thickness))
        self.stamp(np.repeat(row[None], rows, 0), round(x), round(y - rows / 2), ink)

    def stamp(self, mask: U8, x: int, y: int, ink: Ink) -> None:
        """Lay colour over the drawing where `mask` (h, w) says, clipped."""
        top, left = max(0, -y), max(0, -x)
        below = self._light[:, max(0, y) : max(0, y + mask.shape[0]), max(0, x) : max(0, x + mask.shape[1])]
        over = mask[top : top + below.shape[1], left : left + below.shape[2]] * np.float32(1 / 255)
        for plane, level in zip(below, (*ink, 255), strict=True):
            plane += over * (level - plane)

    def finished(self) -> U8:
        """The bitmap (h, w, 4), frozen: devices convert a read-only bitmap once."""
        alpha = self._light[3]
        lift = 255 / np.maximum(alpha, 1e-3)
        planes = [
            np.where(alpha > 0.5, light * lift, level) for light, level in zip(self._light, self._under, strict=False)
        ]
        rgba: U8 = cv2.merge([cv2.convertScaleAbs(plane) for plane in (*planes, alpha)])
        rgba.flags.writeable = False
        return rgba

    def flattened(self) -> U8:
        """The drawing over a plain ground of the colour beneath, (h, w, 3)."""
        through = 1 - self._light[3] / 255
        planes = [light + level * through for light, level in zip(self._light, self._under, strict=False)]
        return np.asarray(cv2.merge([cv2.convertScaleAbs(plane) for plane in planes]), np.uint8)


@lru_cache(maxsize=256)
def _rounded(x: float, y: float, width: float, height: float, radius: float, alpha: float) -> U8:
    """Coverage of a round-cornered rectangle whose corner is at (x, y), both below 1."""
    ys, xs = np.mgrid[0 : int(np.ceil(y + height)), 0 : int(np.ceil(x + width))] + 0.5
    # signed distance to the edge, positive outside: half a pixel either side of it is the blend
    dx = np.abs(xs - x - width / 2) - width / 2 + radius
    dy = np.abs(ys - y - height / 2) - height / 2 + radius
    outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0) - radius
    return np.rint(np.clip(0.5 - outside, 0, 1) * alpha * 255).astype(np.uint8)


def _room(points: Points, margin: int) -> tuple[U8, int, int]:
    """An empty mask around points, and where its first pixel is."""
    x1, y1 = np.floor(points.min(0)).astype(int) - margin - 1
    x2, y2 = np.ceil(points.max(0)).astype(int) + margin + 2
    return np.zeros((y2 - y1, x2 - x1), np.uint8), int(x1), int(y1)


def _fixed(points: Points, x: int, y: int) -> npt.NDArray[np.int32]:
    return np.rint((points - (x, y)) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
