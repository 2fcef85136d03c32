"""YUV pictures told in other numbers: what a camera's readers expect is fixed before a source says what it gives.

Source: ITU-R BT.601-7 and BT.709-6; programs take a camera that says nothing for BT.601 in limited range.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.colour import to_rgb_map, to_yuv_map
from livefuse.frame import U8, Colour

_MIDDLE = 128.0


class Recolour:
    """From one colour to another, in place. Shapes: luma (H, W), chroma (H/2, W/2) each.

    Chroma never depends on luma, and luma on chroma only by a little that fits a byte: all of it is done at half size.
    """

    def __init__(self, before: Colour, after: Colour) -> None:
        forward, back = to_yuv_map(after).astype(np.float64), to_rgb_map(before).astype(np.float64)
        rows = forward[:, :3] @ back[:, :3]
        offset = forward[:, :3] @ back[:, 3] + forward[:, 3]
        self._gain = float(rows[0, 0])
        weights = [(float(row[1]), float(row[2]), float(k)) for row, k in zip(rows, offset, strict=True)]
        self._more, self._u, self._v = weights

    def __call__(self, luma: U8, u: U8, v: U8) -> None:
        height, width = luma.shape
        us, vs = np.ascontiguousarray(u), np.ascontiguousarray(v)
        more = cv2.addWeighted(us, self._more[0], vs, self._more[1], self._more[2] + _MIDDLE)
        u[...] = cv2.addWeighted(us, self._u[0], vs, self._u[1], self._u[2])
        v[...] = cv2.addWeighted(us, self._v[0], vs, self._v[1], self._v[2])
        more = cv2.resize(more, (width, height), interpolation=cv2.INTER_LINEAR)
        luma[...] = cv2.addWeighted(np.ascontiguousarray(luma), self._gain, more, 1.0, -_MIDDLE)


def same_numbers(one: Colour, other: Colour) -> bool:
    """Whether equal numbers mean equal light."""
    return (one.matrix, one.full_range) == (other.matrix, other.full_range)
