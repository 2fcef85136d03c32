"""Colour at the seam: the swapped face takes the target's light and hue where both meet, and smoothly on inwards."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8

_CELLS = 32
_REACH_CELLS = (2.0, 6.0)  # nearest cells count most; the wide one fills the middle of the face
_WIDE_SHARE = 0.05
_MOST = 28.0  # of 255: more is hair, a hand or a shadow, not a tint


def match_seam(lane: Lane, image: U8, target: U8, mask: U8) -> None:
    """Add to `image`, in place, what it lacks of the target's colours along the mask's ramp.

    Shapes: image, target (S, S, 3) RGB; mask (GRID_PX, GRID_PX).
    """
    cells = (_CELLS, _CELLS)
    ours, theirs = (
        cv2.resize(each, cells, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (image, target)
    )
    share = cv2.resize(mask, cells, interpolation=cv2.INTER_AREA).astype(np.float32) * np.float32(1 / 255)
    weight = share * (1 - share) + np.float32(1e-6)
    lacking = np.clip(theirs - ours, -_MOST, _MOST)
    stacked = cv2.merge((*cv2.split(lacking * weight[..., None]), weight))
    near, wide = (cv2.GaussianBlur(stacked, (0, 0), sigma) for sigma in _REACH_CELLS)
    total = near + np.float32(_WIDE_SHARE) * wide
    field: F32 = total[..., :3] / total[..., 3:]
    full = cv2.resize(field, image.shape[1::-1], dst=lane.buffer("seam.field", image.shape, np.float32))
    cv2.add(image, full, dst=image, dtype=cv2.CV_8U)
