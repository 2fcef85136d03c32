"""Colour at the seam: the swapped face takes the target's light and hue where both meet, and smoothly on inwards."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8

CELLS = 16
_NEAR_CELLS, _WIDE_CELLS = 1.0, 3.0  # what is near counts most; the wide one fills the middle of the face
_WIDE_SHARE = 0.05
_TINT, _MOST = 40.0, 28.0  # of 255: what is more is hair, a hand, a contour that moved
_INNER = 3


def seam_tint(face: F32, target: U8, mask: U8, amount: float = 1.0) -> F32:
    """What to add to a face, (CELLS, CELLS, 3) in 0..255, so that it has the target's colours along the mask's ramp.

    `amount` 0..1 is how much of that. Shapes: face (S, S, 3) RGB 0..1, target (S, S, 3) RGB 0..255, mask of any size 0..255.
    """
    cells = (CELLS, CELLS)
    theirs = cv2.resize(target, cells, interpolation=cv2.INTER_AREA)
    share = cv2.resize(mask, cells, interpolation=cv2.INTER_AREA) * np.float32(1 / 255)
    stacked = np.empty((CELLS, CELLS, 4), np.float32)
    lacking = stacked[..., :3]
    for channel in range(3):  # one at a time, because networks give planes
        ours = np.clip(cv2.resize(face[..., channel], cells, interpolation=cv2.INTER_AREA), 0, 1)
        np.subtract(theirs[..., channel], ours * np.float32(255), out=lacking[..., channel])
    # the inner side of the ramp, where both show skin; and less where they differ by more than a tint
    distance = np.abs(lacking).max(axis=2) * np.float32(1 / _TINT)
    weight = share**_INNER * (1 - share) / (1 + distance**4) + np.float32(1e-6)
    np.clip(lacking, -_MOST, _MOST, out=lacking)
    lacking *= weight[..., None]
    stacked[..., 3] = weight
    total = cv2.GaussianBlur(stacked, (0, 0), _NEAR_CELLS)
    total += np.float32(_WIDE_SHARE) * cv2.GaussianBlur(stacked, (0, 0), _WIDE_CELLS)
    tint = np.asarray(total[..., :3] / total[..., 3:], np.float32)
    return tint if amount >= 1 else tint * np.float32(amount)


def tinted(face: F32, tint: F32, out: U8) -> None:
    """`face` in 0..255 plus the tint, rounded and saturated. Shapes: face, out (S, S, 3); tint (CELLS, CELLS, 3)."""
    size = face.shape[1::-1]
    for channel in range(3):
        wide = cv2.resize(tint[..., channel], size, interpolation=cv2.INTER_LINEAR)
        cv2.insertChannel(cv2.addWeighted(face[..., channel], 255.0, wide, 1.0, 0.0, dtype=cv2.CV_8U), out, channel)


def untinted(face: F32, out: U8) -> None:
    """`face` in 0..255, rounded and saturated as `tinted` does it. Shapes: face, out (S, S, 3)."""
    for channel in range(3):
        cv2.insertChannel(cv2.multiply(face[..., channel], 255.0, dtype=cv2.CV_8U), out, channel)
