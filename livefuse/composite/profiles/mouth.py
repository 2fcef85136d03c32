"""Deep-Live-Cam's mouth mask: the target's own mouth shows through the swap.

Source: hacksider/Deep-Live-Cam face_swapper.py, 2026-08, by its contract.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import U8

OUTER_LIP = (58, *range(48, 53), 62, *range(53, 58))
"""Of the 66 landmarks, once around from the image-left corner: as many points as Deep-Live-Cam's 52 to 63 of 106."""

_FEATHER_PX = (1, 30)
_FEATHER_SHARE = 8
_BORDER_SHARE = 0.1


def polygon(lips: npt.NDArray[np.floating], size: float) -> npt.NDArray[np.int32]:
    """The lips' outline, enlarged about its centre; below the centre twice, towards the chin.

    Shapes: lips (n, 2) -> (n, 2). `size` is 0..100.
    """
    grown = 1 + 2 * float(np.clip(size / 100, 0, 1))
    centre = lips.mean(axis=0)
    offset = lips - centre
    down = np.where(offset[:, 1] > 0, grown * grown, grown)
    return np.stack((centre[0] + offset[:, 0] * grown, centre[1] + offset[:, 1] * down), axis=1).astype(np.int32)


def restore(swapped: U8, target: U8, landmarks: npt.NDArray[np.floating], size: float) -> None:
    """Put the target's mouth back into the swapped image, in place. Shapes: images (h, w, 3), landmarks (66, 2)."""
    outline = polygon(landmarks[list(OUTER_LIP)], size)
    height, width = swapped.shape[:2]
    first, last = outline.min(axis=0), outline.max(axis=0)
    pad = (_BORDER_SHARE * (last - first)).astype(int)
    x1, y1 = np.maximum(first - pad, 0).tolist()
    x2, y2 = np.minimum(last + pad, (width, height)).tolist()
    if x2 <= x1 or y2 <= y1:
        return
    mask = np.zeros((y2 - y1, x2 - x1), np.float32)
    cv2.fillPoly(mask, [outline - (x1, y1)], 255.0)
    feather = int(np.clip(min(x2 - x1, y2 - y1) // _FEATHER_SHARE, *_FEATHER_PX))
    mask = cv2.GaussianBlur(mask, (2 * feather + 1,) * 2, 0)
    peak = float(mask.max())
    if peak <= 0:
        return
    weight = (mask / peak)[..., None]
    part = swapped[y1:y2, x1:x2]
    part[...] = (target[y1:y2, x1:x2] * weight + part * (1 - weight)).astype(np.uint8)
