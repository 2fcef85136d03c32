"""Pastes as Deep-Live-Cam does on a CPU: a blurred ellipse, and a blend in saturating 8-bit arithmetic.

Its mouth mask wants 106 landmarks and its sharpening the detector's box. A crop carries 66 landmarks: the twelve of the
outer lip stand for its twelve, and their extent stands for the box.
Source: hacksider/Deep-Live-Cam face_swapper.py, 2026-08 (`_fast_paste_back` and what follows it), by its contract.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from livefuse.composite.profiles import mouth, region
from livefuse.composite.profiles.region import Box
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, inverted
from livefuse.frame import F32, U8, Crop

_PAD_PX = 2
_SHARPEN_SIGMA = 3
# Where the landmarks of an aligned face end, in crop sides: left, top, right, bottom.
_TYPICAL_FACE = (0.15, 0.25, 0.85, 0.95)


class DeepLiveCam:
    """Deep-Live-Cam's compositing."""

    name = "deep-live-cam"
    latent: Literal["insightface", "facefusion"] = "insightface"
    points: Literal["landmarks", "detector"] = "detector"
    takes_mask = False

    def __init__(self, backend: Backend, opacity: float = 1.0, sharpness: float = 0.0, mouth_mask: float = 0.0) -> None:
        self._backend = backend
        self._opacity, self._sharpness, self._mouth_mask = opacity, sharpness, mouth_mask

    def cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        region.sample(self._backend, lane, picture, to_crop, out, cv2.BORDER_CONSTANT)

    def finish(self, lane: Lane, crop: Crop, face: F32, opacity: F32 | None) -> None:
        region.truncated(face, crop.image)
        alpha = soft_ellipse(face.shape[0])
        if opacity is not None:
            alpha = (alpha * opacity.clip(0, 1)).astype(np.uint8)
        crop.mask = alpha
        crop.swapped = True

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        to_frame = inverted(crop.to_crop)
        box = _paste_box(to_frame, crop.image.shape[0], picture)
        if box.is_empty or crop.mask is None:
            return
        under = region.read(self._backend, lane, picture, box, "profile.under")
        over = region.warped(lane, crop.image, to_frame, box, cv2.BORDER_REPLICATE)
        into = box.onto(to_frame)
        alpha = cv2.warpAffine(crop.mask, into, box.shape[::-1], dst=lane.buffer("profile.alpha", box.shape))
        swapped = blend(lane, under, np.asarray(over, np.uint8), alpha)
        changed = cv2.compare(alpha, 0, cv2.CMP_GT)
        if self._mouth_mask > 0 and len(crop.landmarks):
            lips = crop.landmarks @ into[:, :2].T + into[:, 2]
            mouth.restore(swapped, under, lips, self._mouth_mask)
        if self._opacity < 1:
            cv2.addWeighted(under, 1 - self._opacity, swapped, self._opacity, 0, dst=swapped)
        if self._sharpness > 0:
            _sharpen(swapped, changed, _face_box(crop, into, box), self._sharpness)
        region.write(self._backend, lane, picture, box, swapped, changed)


@lru_cache(maxsize=8)
def soft_ellipse(side: int) -> U8:
    """The opacity of a crop, 0..255, read-only; the blur is as wide for any size."""
    mask = np.zeros((side, side), np.uint8)
    axis = int(side * 0.44)
    cv2.ellipse(mask, (side // 2, side // 2), (axis, axis), 0, 0, 360, 255, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (31, 31), 12), np.uint8)
    mask.flags.writeable = False
    return mask


def blend(lane: Lane, under: U8, over: U8, alpha: U8) -> U8:
    """Both products are rounded to 8 bits before they are added, with saturation."""
    alphas = cv2.merge((alpha,) * 3, dst=lane.buffer("profile.alphas", under.shape))
    out = cv2.multiply(over, alphas, dst=lane.buffer("profile.out", under.shape), scale=1 / 255)
    cv2.bitwise_not(alphas, dst=alphas)
    kept = cv2.multiply(under, alphas, dst=alphas, scale=1 / 255)
    return np.asarray(cv2.add(out, kept, dst=out), np.uint8)


def _paste_box(to_frame: Affine, side: int, picture: Picture) -> Box:
    """The crop's corners out to whole pixels, 2 px more, and 1 px more at the far ends."""
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    points = corners @ to_frame[:, :2].T + to_frame[:, 2]
    x1, y1 = np.floor(points.min(axis=0)).astype(int).tolist()
    x2, y2 = np.ceil(points.max(axis=0)).astype(int).tolist()
    return Box(
        max(0, x1 - _PAD_PX),
        max(0, y1 - _PAD_PX),
        min(picture.width, x2 + _PAD_PX + 1),
        min(picture.height, y2 + _PAD_PX + 1),
    )


def _face_box(crop: Crop, into: Affine, box: Box) -> Box:
    """The face's box, clipped to the part that is worked on."""
    side = crop.image.shape[0]
    points = crop.landmarks if len(crop.landmarks) else np.array(_TYPICAL_FACE, np.float32).reshape(2, 2) * side
    if not len(crop.landmarks):
        points = np.array([[points[i, 0], points[j, 1]] for i in (0, 1) for j in (0, 1)])
    placed = points @ into[:, :2].T + into[:, 2]
    height, width = box.shape
    x1, y1 = np.clip(placed.min(axis=0), 0, (width, height)).astype(int).tolist()
    x2, y2 = np.clip(placed.max(axis=0), 0, (width, height)).astype(int).tolist()
    return Box(x1, y1, x2, y2)


def _sharpen(image: U8, changed: U8, face: Box, amount: float) -> None:
    """Unsharp masking of a box by itself, in place."""
    if face.is_empty:
        return
    part = np.ascontiguousarray(image[face.y1 : face.y2, face.x1 : face.x2])
    blurred = cv2.GaussianBlur(part, (0, 0), _SHARPEN_SIGMA)
    image[face.y1 : face.y2, face.x1 : face.x2] = cv2.addWeighted(part, 1 + amount, blurred, -amount, 0)
    changed[face.y1 : face.y2, face.x1 : face.x2] = 255
