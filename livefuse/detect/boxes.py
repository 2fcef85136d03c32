"""Boxes that overlap: their measure, and the choice of the best among them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32


def nms(boxes: F32, scores: F32, iou_limit: float, candidates: int, *, pixel: float = 0.0) -> npt.NDArray[np.intp]:
    """Indices of the boxes that no better box overlaps by more than `iou_limit`, best first."""
    order = np.argsort(-scores, kind="stable")[:candidates]
    overlaps = box_iou(boxes[order], boxes[order], pixel=pixel) > iou_limit
    alive = np.ones(len(order), np.bool_)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[alive]


def box_iou(a: F32, b: F32, *, pixel: float = 0.0) -> F32:
    """Intersection over union. With `pixel` 1 a box from 3 to 5 is three wide, as some detectors' authors count.

    Shapes: a (N, 4), b (M, 4) -> (N, M).
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(high - low + pixel, 0, None).prod(axis=2)
    area_a, area_b = (np.clip(x[:, 2:] - x[:, :2] + pixel, 0, None).prod(axis=1) for x in (a, b))
    return np.asarray(inner / np.maximum(area_a[:, None] + area_b[None] - inner, 1e-9), np.float32)
