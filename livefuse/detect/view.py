"""What a detector network sees of a picture: the whole of it, reduced, in the top left of the network's input."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8

GRID_PX = 32
_IDENTITY = np.eye(2, 3, dtype=np.float32)
Resize = Literal["area", "insightface"]


class View:
    """Reduces pictures for a network whose input is `fixed` (h, w), or any multiple of 32 where that is None.

    `area` averages and never enlarges: nothing aliases. `insightface` is that package's way to the bit: a square, resized
    bilinearly, enlarged where the picture is small; it converts the whole picture, so it is for comparison.
    """

    def __init__(self, backend: Backend, size_px: int, fixed: tuple[int, int] | None, resize: Resize = "area") -> None:
        self.size_px = size_px if fixed is None else None
        self._backend, self._fixed, self._resize = backend, fixed, resize

    def size(self, picture: Picture) -> tuple[int, int]:
        """(H, W) of the network's input for a picture."""
        if self._fixed is not None:
            return self._fixed
        assert self.size_px is not None  # of a network whose input is not fixed
        if self._resize == "insightface":
            return self.size_px, self.size_px
        return network_size(picture.width, picture.height, self.size_px)

    def read(self, lane: Lane, picture: Picture, out: U8) -> float:
        """Fill `out` (h, w, 3) RGB; the rest is black. Returns network px per frame px."""
        if self._resize == "area":
            return self._backend.letterbox(lane, picture, out).scale
        whole = lane.buffer("view.whole", (picture.height, picture.width, 3))
        self._backend.warp(lane, picture, _IDENTITY, whole)
        height, width = fitted(picture.width, picture.height, out.shape[1], out.shape[0])
        out[...] = 0
        out[:height, :width] = cv2.resize(whole, (width, height))
        return height / picture.height


def network_size(width: int, height: int, size_px: int) -> tuple[int, int]:
    """(H, W) of the network's input: the picture's aspect, sides multiples of 32, never larger than the picture needs."""
    scale = min(size_px / max(width, height), 1.0)
    # a hair less before rounding up: 320 * (1280 / 1280) must not become 352
    rows, cols = (max(1, int(np.ceil(side * scale / GRID_PX - 1e-6))) for side in (height, width))
    return rows * GRID_PX, cols * GRID_PX


def fitted(width: int, height: int, to_width: int, to_height: int) -> tuple[int, int]:
    """(h, w) of a picture in a canvas, rounded down. Source: insightface 2.1 model_zoo/scrfd.py `_detect_candidates`."""
    ratio = height / width
    if ratio > to_height / to_width:
        return to_height, int(to_height / ratio)
    return int(to_width * ratio), to_width


def edges_to_frame(network_px: F32, scale: float) -> F32:
    """By the scale alone: how the authors of most detectors scaled their training labels."""
    return np.asarray(network_px / scale, np.float32)


def centres_to_frame(network_px: F32, scale: float) -> F32:
    """The pixel centres that a reduced pixel averages lie around its own: half a pixel on either side of the scale."""
    return np.asarray((network_px + 0.5) / scale - 0.5, np.float32)
