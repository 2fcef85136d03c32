"""Enhancing exactly as FaceFusion does: from the swapped frame, back through a box, then both frames mixed.

All of it happens at the frame's own resolution on the part of the frame that the crops touch, so that the picture gets the
same bytes as from working on the whole of it.
Source: facefusion 3.8.1 face_enhancer, `paste_back`, `blend_paste_frame`, by their contract.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from livefuse.align.templates import transform_points
from livefuse.composite.profiles import region
from livefuse.composite.profiles.region import Box
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, chained, inverted
from livefuse.enhance.cut import IDENTITY, Place, exact, paste_swapped, picture_of
from livefuse.enhance.ground import SOLID, Canvas, visible_box
from livefuse.frame import U8, Crop, Crops
from livefuse.swap.base import Paste

_PAD_PX = 2  # what bilinear sampling sees beyond the crop's border


class FaceFusionGround:
    """For `profile.name = "facefusion"`."""

    soft_border, blends = False, False

    def __init__(self, backend: Backend, side: int, blend: float) -> None:
        self._backend, self._side, self._blend = backend, side, blend
        self._inputs: dict[int, tuple[U8, U8, Box]] = {}

    def look(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste, out: U8) -> None:
        after, _, box = self._swapped(lane, picture, crops, place, paste)
        self._sample(lane, after, box, place, out)

    def side(self, place: Place) -> int:
        return self._side

    def canvas(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste) -> Canvas | None:
        if place.crop.mask is None or int(place.crop.mask.max()) < SOLID:
            return None  # a swap that is seen through: what is under it would come back
        swapped = self._swapped(lane, picture, crops, place, paste)
        if swapped[2].is_empty:
            return None
        self._inputs[place.slot] = swapped
        image = lane.buffer(f"enhance.image.{place.slot}", (self._side, self._side, 3))
        self._sample(lane, swapped[0], swapped[2], place, image)
        return Canvas(place.crop, image, IDENTITY)

    def finish(self, lane: Lane, picture: Picture, place: Place, canvas: Canvas) -> Crop:
        after, before, box = self._inputs.pop(place.slot)
        to_frame = inverted(place.to_input)
        spot = region.covered(to_frame, 0, self._side, 0, picture)
        if not spot.is_empty:
            part = after[spot.y1 - box.y1 : spot.y2 - box.y1, spot.x1 - box.x1 : spot.x2 - box.x1]
            weight = visible_box(place, self._side, place.from_crop())
            seen = cv2.warpAffine(weight, spot.onto(to_frame), spot.shape[::-1]).clip(0, 1)
            over = region.warped(lane, canvas.image, to_frame, spot, cv2.BORDER_REPLICATE)
            pasted = region.mix(lane, part, over, seen)
            # FaceFusion's two weights are 1 - factor and factor, the factor itself 1 - blend
            factor = 1 - self._blend
            cv2.addWeighted(np.ascontiguousarray(part), 1 - (1 - factor), pasted, 1 - factor, 0, dst=pasted)
            part[...] = pasted
        return self._crop(lane, place, after, before, box)

    def _crop(self, lane: Lane, place: Place, after: U8, before: U8, box: Box) -> Crop:
        """What differs from the frame as it came."""
        changed = cv2.absdiff(after, before, dst=before)
        mask = lane.buffer(f"enhance.mask.{place.slot}", box.shape)
        cv2.compare(changed.max(axis=2), 0, cv2.CMP_GT, dst=mask)
        to_frame = inverted(place.crop.to_crop)
        moved = chained(to_frame, box.shift().astype(np.float64)).astype(np.float32)
        return replace(
            place.crop,
            image=after,
            mask=mask,
            to_crop=box.shift(),
            points=transform_points(moved, place.crop.points),
            landmarks=transform_points(moved, place.crop.landmarks),
            fine=None,
            weight=None,
            whole=True,
        )

    def _swapped(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste) -> tuple[U8, U8, Box]:
        """The part of the frame that the crops touch, after and before the swap, and where it is."""
        crop, to_frame = place.crop, inverted(place.to_input)
        own = region.covered(inverted(crop.to_crop), 0, max(crop.image.shape[:2]), _PAD_PX, picture)
        box = _around(own, region.covered(to_frame, 0, self._side, _PAD_PX, picture))
        if box.is_empty:
            return np.empty((0, 0, 3), np.uint8), np.empty((0, 0, 3), np.uint8), box
        before = region.read(self._backend, lane, picture, box, f"enhance.before.{place.slot}")
        after = lane.buffer(f"enhance.after.{place.slot}", before.shape)
        np.copyto(after, before)
        paste_swapped(lane, after, box.shift().astype(np.float64), crops, paste)
        return after, before, box

    def _sample(self, lane: Lane, image: U8, box: Box, place: Place, out: U8) -> None:
        from_box = chained(_back(box), place.to_input)
        region.sample(self._backend, lane, picture_of(image), exact(from_box), out, cv2.BORDER_REPLICATE)


def _around(one: Box, other: Box) -> Box:
    if one.is_empty or other.is_empty:
        return other if one.is_empty else one
    low, high = np.minimum(one, other), np.maximum(one, other)
    return Box(int(low[0]), int(low[1]), int(high[2]), int(high[3]))


def _back(box: Box) -> Affine:
    return np.array([[1.0, 0, box.x1], [0, 1.0, box.y1]])
