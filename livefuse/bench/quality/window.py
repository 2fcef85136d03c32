"""The part of a frame that is measured: one face and what is around it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.swap.mesh.topology import face_frame

MOST_PX = 512
"""Longer sides are measured at that size, area averaged: it bounds memory and time, and flicker is not finer."""
_LEFT, _TOP, _RIGHT, _BOTTOM = 0.45, 0.75, 0.45, 0.45  # of the landmarks' box: every template's crop fits


@dataclass(frozen=True, slots=True)
class Window:
    """`box` is x1, y1, x2, y2 in frame px, inside the frame; `scale` is window px per frame px, at most 1."""

    box: tuple[int, int, int, int]
    scale: float
    unit_px: float
    """The face's unit, window px."""

    @property
    def shape(self) -> tuple[int, int]:
        x1, y1, x2, y2 = self.box
        return max(1, round((y2 - y1) * self.scale)), max(1, round((x2 - x1) * self.scale))

    def cut(self, image: U8) -> U8:
        """Shapes: (H, W[, 3]) -> `shape`."""
        x1, y1, x2, y2 = self.box
        part = image[y1:y2, x1:x2]
        if self.scale == 1:
            return np.ascontiguousarray(part)
        height, width = self.shape
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def window_of(landmarks: F32, width: int, height: int) -> Window:
    """The window of a face in a frame of that size. Shapes: (66, 2), frame px. Raises: DegenerateFace."""
    unit_px = face_frame(landmarks).unit_px
    (x1, y1), (x2, y2) = landmarks.min(axis=0), landmarks.max(axis=0)
    wide, high = x2 - x1, y2 - y1
    left, top = _inside(x1 - _LEFT * wide, width - 1), _inside(y1 - _TOP * high, height - 1)
    right = max(left + 1, _inside(np.ceil(x2 + _RIGHT * wide), width))
    bottom = max(top + 1, _inside(np.ceil(y2 + _BOTTOM * high), height))
    scale = min(1.0, MOST_PX / max(right - left, bottom - top))
    return Window((left, top, right, bottom), scale, unit_px * scale)


def _inside(place: float, limit: int) -> int:
    return min(max(int(place), 0), limit)
