"""Masks of our own compositing: combined on a small square that moves with the face, soft, and steady over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from livefuse.align.templates import transform_points
from livefuse.composite.masks.areas import drawn_areas, inner_half
from livefuse.composite.masks.framing import Seen, at_side, carried, joined, resized
from livefuse.composite.masks.keep import NOTHING, Keep
from livefuse.composite.masks.parts import Parts
from livefuse.composite.masks.steady import Steady
from livefuse.composite.profiles.facefusion_masks import Area, Padding, box_mask
from livefuse.device.base import Lane
from livefuse.device.planes import inverted
from livefuse.frame import F32, U8

NETWORK_GRID_PX, ESTIMATE_GRID_PX = 128, 64
_SEAM = 0.015  # standard deviation of what blurs a network's mask, of the square's side
_SMALL_PX = 128
_NONE_HIDDEN = 252


@dataclass(slots=True)
class SoftFace:
    """What is kept of one face from frame to frame, in its aligned square: the networks' masks as one, the estimate, and the
    steadied whole."""

    steady: Steady
    networks: U8 | None = None
    estimate: U8 | None = None

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

    grid_px: int
    steady: float
    areas: Sequence[Area] = ()
    keep: Keep = NOTHING
    box: tuple[float, Padding] | None = None

    def new_face(self) -> SoftFace:
        return SoftFace(Steady(self.steady))

    def look(self, face: SoftFace, parts: Parts) -> None:
        face.look(parts, self.grid_px)

    def apply(self, lane: Lane, index: int, seen: Seen, face: SoftFace, t_ns: int) -> None:
        crop = seen.crop
        assert crop.mask is not None  # of a swapped crop
        crop.visible = self._visible(lane, index, seen, self._steadied(seen, face, t_ns))
        if crop.visible is not None:
            mask = lane.buffer(f"masks.mask.{index}", crop.mask.shape)
            crop.mask = cv2.multiply(crop.mask, crop.visible, dst=mask, scale=1 / 255)

    def _steadied(self, seen: Seen, face: SoftFace, t_ns: int) -> F32 | None:
        """What networks and estimate say, in the face's aligned square; None where they hide nothing."""
        if seen.estimated:
            face.estimate = self._squared(seen)
        masks = [mask for mask in (face.networks, face.estimate) if mask is not None]
        mask = np.asarray(cv2.min(*masks), np.uint8) if len(masks) == 2 else next(iter(masks), None)
        steady = face.steady.follow(mask, t_ns)
        return None if steady is None or float(steady.min()) >= _NONE_HIDDEN else steady

    def _squared(self, seen: Seen) -> U8 | None:
        if seen.estimate is None:
            return None
        there = joined(resized(seen.estimate.shape, seen.crop.image.shape), at_side(seen.to_unit, self.grid_px))
        return np.asarray(carried(seen.estimate, there, (self.grid_px, self.grid_px)), np.uint8)

    def _visible(self, lane: Lane, index: int, seen: Seen, steady: F32 | None) -> U8 | None:
        """The whole of it at the crop's size. All is soft, so it is put together small, in half the time at 400 px."""
        shape, landmarks = seen.crop.image.shape[:2], seen.crop.landmarks
        small = self._small(seen, steady)
        keep = self.keep and len(landmarks) > 0
        if small is None and not keep:
            return None
        visible = lane.buffer(f"masks.visible.{index}", shape)
        if small is None:
            visible.fill(255)
        else:
            cv2.resize(small, shape[::-1], dst=visible)
        if keep:
            self.keep.take(lane, visible, landmarks)
        return visible

    def _small(self, seen: Seen, steady: F32 | None) -> U8 | None:
        shape = seen.crop.image.shape[:2]
        scale = _SMALL_PX / max(shape)
        size = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
        down = resized(shape, size)
        masks: list[U8] = []
        if steady is not None:
            hidden = np.asarray(cv2.convertScaleAbs(steady), np.uint8)
            to_square = joined(inverted(down), at_side(seen.to_unit, self.grid_px))
            masks.append(np.asarray(carried(hidden, np.asarray(inverted(to_square), np.float32), size), np.uint8))
        if self.areas and len(seen.crop.landmarks):
            masks.append(drawn_areas(transform_points(down, seen.crop.landmarks), size, self.areas))
        if self.box is not None:
            masks.append(cv2.resize(_box(*self.box), size[::-1]))
        if not masks:
            return None
        whole = masks[0]
        for mask in masks[1:]:
            whole = cv2.multiply(whole, mask, scale=1 / 255)
        return whole


@lru_cache(maxsize=8)
def _box(blur: float, padding: Padding) -> U8:
    return np.asarray(cv2.convertScaleAbs(box_mask(_SMALL_PX, blur, padding), alpha=255), np.uint8)
