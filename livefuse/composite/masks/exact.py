"""Masks exactly as FaceFusion makes and combines them: float32, at the crop's own size, the least of all.

Source: facefusion 3.8.1 face_masker.py, by its contract. What FaceFusion does not have (the estimate, the matte, the
target's own mouth and eyes) takes part in the minimum as it is. Nothing is steadied over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.composite.masks.areas import to_68
from livefuse.composite.masks.framing import Seen
from livefuse.composite.masks.keep import NOTHING, Keep
from livefuse.composite.masks.parts import Parts
from livefuse.composite.profiles import region
from livefuse.composite.profiles.facefusion_masks import Area, area_mask, softened
from livefuse.device.base import Lane
from livefuse.frame import F32, U8, Crop


@dataclass(slots=True)
class ExactFace:
    """What networks and estimate last said of one face."""

    parts: Parts | None = None
    estimate: U8 | None = None


@dataclass(frozen=True, slots=True)
class Exact:
    """Lowers the weights of swapped crops, which hold the profile's box already."""

    areas: Sequence[Area] = ()
    keep: Keep = NOTHING

    def new_face(self) -> ExactFace:
        return ExactFace()

    def look(self, face: ExactFace, parts: Parts) -> None:
        face.parts = parts

    def apply(self, lane: Lane, index: int, seen: Seen, face: ExactFace, t_ns: int) -> None:
        crop = seen.crop
        assert crop.weight is not None  # of a crop that FaceFusion's profile finished
        if seen.estimated:
            face.estimate = seen.estimate
        masks = self._masks(lane, crop, face.parts, face.estimate)
        if not masks:
            crop.visible = None
            return
        visible = np.minimum.reduce(masks).clip(0, 1)
        crop.visible = region.opaque(visible)
        crop.weight = np.minimum(crop.weight, visible).clip(0, 1)
        crop.mask = region.opaque(crop.weight)

    def _masks(self, lane: Lane, crop: Crop, parts: Parts | None, estimate: U8 | None) -> list[F32]:
        side = crop.image.shape[0]
        masks: list[F32] = []
        if parts is not None:
            if parts.occlusion:
                masks.append(softened(np.minimum.reduce([_at(side, one) for one in parts.occlusion])))
            if parts.regions is not None:
                masks.append(softened(_at(side, parts.regions)))
            if parts.person is not None:
                masks.append(_at(side, parts.person))
        if estimate is not None:
            masks.append(_at(side, estimate.astype(np.float32) / np.float32(255)))
        if len(crop.landmarks):
            if self.areas:
                masks.append(area_mask(side, to_68(crop.landmarks), self.areas))
            if self.keep:
                kept = lane.buffer("masks.kept", (side, side))
                kept.fill(255)
                self.keep.take(lane, kept, crop.landmarks)
                masks.append(kept.astype(np.float32) / np.float32(255))
        return masks


def _at(side: int, mask: F32) -> F32:
    return np.asarray(cv2.resize(mask, (side, side)), np.float32)
