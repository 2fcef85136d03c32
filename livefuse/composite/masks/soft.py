"""Masks of our own compositing: combined on a small square that moves with the face, soft, and steady over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.composite.masks.areas import drawn_areas, inner_half
from livefuse.composite.masks.framing import Framing, carried, joined, resized
from livefuse.composite.masks.keep import NOTHING, Keep
from livefuse.composite.masks.parts import Parts
from livefuse.composite.masks.steady import Steady
from livefuse.composite.profiles.facefusion_masks import Area, Padding, box_mask
from livefuse.device.base import Lane
from livefuse.frame import F32, U8, Crop

NETWORK_GRID_PX, ESTIMATE_GRID_PX = 128, 64
_SEAM = 0.015  # standard deviation of what blurs a network's mask, of the square's side
_BOX_PX = 128
_NONE_HIDDEN = 252


@dataclass(slots=True)
class SoftFace:
    """What is kept of one face from frame to frame: the networks' masks as one, and the steadied whole."""

    steady: Steady
    networks: U8 | None = None

    def look(self, parts: Parts, grid_px: int) -> None:
        """Take what the networks said anew."""
        masks = [one for one in (*parts.occlusion, parts.person, parts.regions) if one is not None]
        self.networks = None
        if masks:
            size = (grid_px, grid_px)
            least = np.minimum.reduce([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in masks])
            self.networks = inner_half(np.asarray(cv2.convertScaleAbs(least, alpha=255), np.uint8), _SEAM * grid_px)


@dataclass(frozen=True, slots=True)
class Soft:
    """Multiplies the masks of swapped crops by what is visible of their faces. `box` is blur and padding, or None."""

    framing: Framing
    grid_px: int
    steady: float
    areas: Sequence[Area] = ()
    keep: Keep = NOTHING
    box: tuple[float, Padding] | None = None

    def new_face(self) -> SoftFace:
        return SoftFace(Steady(self.steady))

    def look(self, face: SoftFace, parts: Parts) -> None:
        face.look(parts, self.grid_px)

    def apply(self, lane: Lane, index: int, crop: Crop, face: SoftFace, estimate: U8 | None, t_ns: int) -> None:
        """Raises: DegenerateFace."""
        assert crop.mask is not None  # of a swapped crop
        shape = crop.image.shape[:2]
        to_square = self.framing.to_square(crop, self.grid_px)
        masks = [] if face.networks is None else [face.networks]
        if estimate is not None:
            there = joined(resized(estimate.shape, shape), to_square)
            masks.append(np.asarray(carried(estimate, there, (self.grid_px,) * 2), np.uint8))
        seen = face.steady.follow(cv2.min(*masks) if len(masks) == 2 else (masks or [None])[0], t_ns)
        visible = lane.buffer(f"masks.visible.{index}", shape)
        if not self._fill(lane, visible, crop, seen, to_square):
            crop.visible = None
            return
        crop.visible = visible
        crop.mask = cv2.multiply(crop.mask, visible, dst=lane.buffer(f"masks.mask.{index}", shape), scale=1 / 255)

    def _fill(self, lane: Lane, visible: U8, crop: Crop, seen: F32 | None, to_square: F32) -> bool:
        """Write the whole mask; False where it would hide nothing."""
        shape = visible.shape
        hides = seen is not None and float(seen.min()) < _NONE_HIDDEN
        if hides:
            assert seen is not None
            small = np.asarray(cv2.convertScaleAbs(seen), np.uint8)
            cv2.warpAffine(
                small,
                to_square,
                shape[::-1],
                dst=visible,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        else:
            visible.fill(255)
        small_masks = []
        if self.areas and len(crop.landmarks):
            small_masks.append(drawn_areas(crop.landmarks, shape, self.areas))
        if self.box is not None:
            small_masks.append(_box(*self.box))
        for small in small_masks:
            part = cv2.resize(small, shape[::-1], dst=lane.buffer("masks.part", shape))
            cv2.multiply(visible, part, dst=visible, scale=1 / 255)
        keeps = bool(self.keep) and len(crop.landmarks) > 0
        if keeps:
            self.keep.take(lane, visible, crop.landmarks)
        return hides or bool(small_masks) or keeps


def _box(blur: float, padding: Padding) -> U8:
    return np.asarray(cv2.convertScaleAbs(box_mask(_BOX_PX, blur, padding), alpha=255), np.uint8)
