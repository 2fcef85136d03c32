"""How sharp a face is: a sharp photo on a soft picture looks pasted on."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import U8
from livefuse.swap.mesh.topology import FaceFrame

_SIGMAS_PX = (0.0, 0.6, 0.9, 1.3, 1.8, 2.5)
_LEAST_BLUR_PX = 0.35  # less is not worth its time
_MOST_WINDOW_PX = 96
_ALPHA = 0.2  # part of a new measurement in the smoothed blur


class Sharpness:
    """The blur that brings one track's photo to the sharpness of its target, smoothed over time."""

    def __init__(self) -> None:
        self.sigma_px: float | None = None

    def match(self, photo: U8, target: U8, frame: FaceFrame, *, measured: bool = True) -> None:
        """Blur the photo, in place, by what this and earlier frames ask for. Both (h, w, 3), same place.

        Without `measured` this frame is not asked.
        """
        if measured or self.sigma_px is None:
            wanted = fitting_blur(_window(photo, frame), _window(target, frame))
            self.sigma_px = wanted if self.sigma_px is None else self.sigma_px + _ALPHA * (wanted - self.sigma_px)
        if self.sigma_px >= _LEAST_BLUR_PX:
            cv2.GaussianBlur(photo, (0, 0), self.sigma_px, dst=photo)


def fitting_blur(photo: U8, target: U8) -> float:
    """Standard deviation, px, of the blur that brings the photo's fine detail down to the target's. Shapes: (h, w)."""
    goal = _detail(target)
    last = 0.0
    for before, sigma in zip((0.0, *_SIGMAS_PX), _SIGMAS_PX, strict=False):
        found = _detail(cv2.GaussianBlur(photo, (0, 0), sigma) if sigma else photo)
        if found <= goal:
            share = (last - goal) / max(last - found, 1e-6) if sigma else 0.0
            return before + share * (sigma - before)
        last = found
    return _SIGMAS_PX[-1]


def _detail(grey: U8) -> float:
    """Strength of the finest detail over that of all: light and contrast leave it as it is."""
    fine = cv2.Laplacian(grey, cv2.CV_32F)
    return float(np.sqrt(np.mean(fine * fine)) / max(float(grey.std()), 1.0))


def _window(image: U8, frame: FaceFrame) -> U8:
    """Green around eyes and nose."""
    h, w = image.shape[:2]
    half = max(4, min(round(0.55 * frame.unit_px), _MOST_WINDOW_PX // 2))
    x, y = (round(float(v)) for v in frame.origin - 0.2 * frame.unit_px * frame.up)
    x, y = int(np.clip(x, half, max(half, w - half))), int(np.clip(y, half, max(half, h - half)))
    return np.ascontiguousarray(image[max(0, y - half) : y + half, max(0, x - half) : x + half, 1])
