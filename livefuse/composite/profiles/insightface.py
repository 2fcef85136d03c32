"""Pastes as the `insightface` package does: a warped white square, eroded and blurred in the frame.

The package works on whole frames. All that it computes outside the square's neighbourhood leaves the frame as it is, so the
neighbourhood alone gives the same picture (bilinear samples may differ by 1 of 255 on one pixel in 10^4: OpenCV adds a
region's offset in float32).
Source: deepinsight/insightface model_zoo/inswapper.py, `INSwapper.get`.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np

from livefuse.composite.profiles import region
from livefuse.composite.profiles.region import Box
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, inverted
from livefuse.frame import F32, U8, Crop

_WHITE_FROM = 20
# Zeros around the square that stand for the rest of the frame: the blur reaches at most 1 px further than the erosion.
_RING_PX = 3
_VECTOR_PX = 64  # boxes start at a multiple of it: OpenCV's vector and scalar filters round differently


class InsightFace:
    """The `insightface` package's compositing."""

    name = "insightface"
    latent: Literal["insightface", "facefusion"] = "insightface"
    points: Literal["landmarks", "detector"] = "detector"
    takes_mask = False

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        region.sample(self._backend, lane, picture, to_crop, out, cv2.BORDER_CONSTANT)

    def finish(self, lane: Lane, crop: Crop, face: F32, opacity: F32 | None) -> None:
        region.truncated(face, crop.image)
        crop.mask = np.full(face.shape[:2], 255, np.uint8) if opacity is None else region.opaque(opacity)
        crop.swapped = True

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        to_frame = inverted(crop.to_crop)
        side = crop.image.shape[0]
        box = region.covered(to_frame, -1, side, _RING_PX, picture)
        if box.is_empty or crop.mask is None:
            return
        box = box._replace(x1=box.x1 // _VECTOR_PX * _VECTOR_PX)
        weight = soft_square(lane, to_frame, box, side)
        if weight is None:
            return
        if cv2.hasNonZero(cv2.compare(crop.mask, 255, cv2.CMP_NE)):
            # the package knows no masks; where a model brings one, it lowers the square
            seen = cv2.warpAffine(crop.mask, box.onto(to_frame), box.shape[::-1])
            cv2.multiply(weight, seen, dst=weight, scale=1 / 255, dtype=cv2.CV_32F)
        swapped = region.warped(lane, crop.image, to_frame, box, cv2.BORDER_CONSTANT)
        under = region.read(self._backend, lane, picture, box, "profile.under")
        mixed = region.mix(lane, under, swapped, weight)
        region.write(self._backend, lane, picture, box, mixed, region.touched(lane, weight))


def soft_square(lane: Lane, to_frame: Affine, box: Box, side: int) -> F32 | None:
    """Opacity (h, w) float32 0..1 over a box around the crop; None where the frame shows nothing of it.

    Sizes come from the square's extent as far as the frame shows it, so a face half outside gets a narrower seam.
    """
    white = np.full((side, side), 255, np.float32)
    buffer = lane.buffer("profile.white", box.shape, np.float32)
    warped = cv2.warpAffine(white, box.onto(to_frame), (box.shape[1], box.shape[0]), dst=buffer)
    inside = cv2.compare(warped, _WHITE_FROM, cv2.CMP_GT)
    warped[inside > 0] = 255
    _, _, width, height = cv2.boundingRect(inside)
    if width == 0:
        return None
    size = int(np.sqrt((height - 1) * (width - 1)))
    erosion, blur = max(size // 10, 10), 2 * max(size // 20, 5) + 1
    weight = cv2.GaussianBlur(eroded(warped, erosion), (blur, blur), 0, dst=warped)
    return np.divide(weight, np.float32(255), out=weight)


def eroded(image: F32, side: int) -> F32:
    """`cv2.erode` with a square of `side` px, in steps that double: OpenCV's own time grows with the side.

    The window of a pixel begins `side // 2` before it; what lies beyond the image does not count.
    """
    before, after = side // 2, side - 1 - side // 2
    out = cv2.copyMakeBorder(image, before, after, before, after, cv2.BORDER_CONSTANT, value=math.inf)
    for axis in (1, 0):
        reach = 1
        while reach < side:
            step = min(reach, side - reach)
            out = cv2.min(*((out[:, :-step], out[:, step:]) if axis else (out[:-step], out[step:])))
            reach += step
    return np.asarray(out, np.float32)
