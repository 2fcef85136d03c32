"""livefuse's own compositing: the face's shape as mask, colours that meet at the seam, one blend in the picture's planes."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from livefuse.composite.profiles.face_shape import face_mask
from livefuse.composite.profiles.seam import seam_tint, tinted, untinted
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8, Crop


class Livefuse:
    """The default profile."""

    name = "livefuse"
    latent: Literal["insightface", "facefusion"] = "insightface"
    points: Literal["landmarks", "detector"] = "landmarks"
    takes_mask = True

    def __init__(self, backend: Backend, seam: float = 1.0) -> None:
        """`seam` 0..1: how far the face takes the target's colours where both meet."""
        self._backend, self._seam = backend, seam

    def cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        self._backend.warp(lane, picture, to_crop, out)

    def finish(self, lane: Lane, crop: Crop, face: F32, opacity: F32 | None) -> None:
        side = face.shape[0]
        mask = face_mask(crop.landmarks, side)
        if self._seam > 0:
            tinted(face, seam_tint(face, crop.image, mask, self._seam), crop.image)
        else:
            untinted(face, crop.image)
        # not lane memory: crops of one frame are pasted after the last of them is finished
        mask = np.asarray(cv2.resize(mask, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
        if opacity is not None:
            mask = np.asarray(cv2.multiply(mask, opacity.clip(0, 1), dtype=cv2.CV_8U), np.uint8)
        crop.mask = mask
        crop.swapped = True

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        if crop.mask is not None:
            self._backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)
