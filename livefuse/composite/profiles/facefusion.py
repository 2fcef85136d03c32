"""Pastes as FaceFusion does: a blurred box on the crop, the crop kept as floats, truncation only in the frame.

Source: facefusion 3.8.1 face_masker.py, face_helper.py (`paste_back`, `calculate_paste_area`), by their contract.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from livefuse.composite.profiles import region
from livefuse.composite.profiles.facefusion_masks import Padding, box_mask
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import inverted
from livefuse.frame import F32, U8, Crop


class FaceFusion:
    """FaceFusion's compositing with its default mask, the box."""

    name = "facefusion"
    latent: Literal["insightface", "facefusion"] = "facefusion"
    points: Literal["landmarks", "detector"] = "landmarks"
    takes_mask = False

    def __init__(self, backend: Backend, mask_blur: float = 0.3, mask_padding: Padding = (0, 0, 0, 0)) -> None:
        self._backend = backend
        self._mask_blur, self._mask_padding = mask_blur, mask_padding

    def cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        region.sample(self._backend, lane, picture, to_crop, out, cv2.BORDER_REPLICATE)

    def finish(self, lane: Lane, crop: Crop, face: F32, opacity: F32 | None) -> None:
        # Not lane memory: crops of one frame are pasted after the last of them is finished.
        crop.fine = np.clip(face, 0, 1).astype(np.float32, order="C") * np.float32(255)
        np.copyto(crop.image, crop.fine, casting="unsafe")
        box = box_mask(face.shape[0], self._mask_blur, self._mask_padding)
        crop.weight = box if opacity is None else np.minimum(box, opacity).clip(0, 1)
        crop.mask = region.opaque(crop.weight)
        crop.swapped = True

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        if crop.fine is None or crop.weight is None:
            return
        to_frame = inverted(crop.to_crop)
        box = region.covered(to_frame, 0, crop.fine.shape[0], 0, picture)
        if box.is_empty:
            return
        weight = lane.buffer("profile.weight", box.shape, np.float32)
        weight = cv2.warpAffine(crop.weight, box.onto(to_frame), box.shape[::-1], dst=weight)
        np.clip(weight, 0, 1, out=weight)
        over = region.warped(lane, crop.fine, to_frame, box, cv2.BORDER_REPLICATE)
        under = region.read(self._backend, lane, picture, box, "profile.under")
        mixed = region.mix(lane, under, over, weight)
        region.write(self._backend, lane, picture, box, mixed, region.touched(lane, weight))
