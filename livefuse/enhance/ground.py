"""What an enhancer's result is put on: the swapped crop itself, a finer copy of it, or all that the swap has made of the
picture there.

The first two never hold a pixel of the picture, so nothing of it can come back through them; the crop's own mask says
where they show. The third is for swappers whose paste does more than that, and for masks wider than the swap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol

import cv2
import numpy as np

from livefuse.align.templates import transform_points
from livefuse.composite.profiles.facefusion_masks import box_mask
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, chained, inverted, scale_of
from livefuse.enhance.cut import IDENTITY, Place, frame_px, paste_swapped, resized
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.swap.base import Paste

SOLID = 250
"""From here on a mask hides what lies under it, as the privacy guard sees it."""
_AS_FINE = 0.95
_BLUR, _NO_PADDING = 0.3, (0, 0, 0, 0)
_GROWN, _GRID_PX = 0.06, 64


@dataclass(slots=True)
class Canvas:
    """An image that a residual is added to, and the crop that it then is.

    Shapes: image (h, w, 3), a part of the crop's; to_input (2, 3), px of it -> px of the network's input; weight (h, w),
    how much of the residual where, None for all.
    """

    crop: Crop
    image: U8
    to_input: Affine
    weight: F32 | None = None


class Ground(Protocol):
    """How an enhancer sees faces and gives them back."""

    soft_border: bool
    blends: bool
    """Whether the residual is weakened by the blend itself; otherwise `finish` blends."""

    def look(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste, out: U8) -> None:
        """Fill the network's input (S, S, 3)."""
        ...

    def side(self, place: Place) -> int:
        """The side of what is kept of a run, px."""
        ...

    def canvas(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste) -> Canvas | None:
        """None where the face must stay as it is."""
        ...

    def finish(self, lane: Lane, picture: Picture, place: Place, canvas: Canvas) -> Crop: ...


class Plain:
    """Livefuse's own way."""

    soft_border, blends = True, True

    def __init__(self, backend: Backend, side: int, *, mask: Literal["face", "box"], own: bool, closed: bool) -> None:
        """`own` says that the swapper's paste is its crop's mask and nothing else; `closed` that no real face may leave."""
        self._backend, self._side = backend, side
        self._box, self._own, self._closed = mask == "box", own and mask == "face", closed

    def look(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste, out: U8) -> None:
        self._cut(lane, picture, crops, place.to_input, paste, out)

    def side(self, place: Place) -> int:
        return frame_px(place.to_input, self._side)

    def canvas(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste) -> Canvas | None:
        if not self._own:
            return self._composite(lane, picture, crops, place, paste)
        finest = min(1.0, scale_of(place.to_input))
        if scale_of(place.crop.to_crop) >= _AS_FINE * finest:
            return _in_place(place)
        return self._enlarged(lane, place)

    def finish(self, lane: Lane, picture: Picture, place: Place, canvas: Canvas) -> Crop:
        return canvas.crop

    def _cut(self, lane: Lane, picture: Picture, crops: Crops, to_image: Affine, paste: Paste, out: U8) -> None:
        self._backend.warp(lane, picture, to_image.astype(np.float32), out)
        paste_swapped(lane, out, to_image, crops, paste)

    def _enlarged(self, lane: Lane, place: Place) -> Canvas | None:
        """The swapped crop at the resolution that the network adds."""
        crop, side = place.crop, frame_px(place.to_input, self._side)
        assert crop.mask is not None
        from_crop = resized(place.from_crop(), self._side, side)
        # four channels at once: OpenCV warps them at the price of one
        height, width = crop.mask.shape
        four = lane.buffer("enhance.four", (height, width, 4))
        cv2.insertChannel(crop.mask, cv2.cvtColor(crop.image, cv2.COLOR_RGB2RGBA, dst=four), 3)
        larger = lane.buffer("enhance.larger", (side, side, 4))
        cv2.warpAffine(
            four, from_crop, (side, side), dst=larger, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        image = lane.buffer(f"enhance.image.{place.slot}", (side, side, 3))
        cv2.cvtColor(larger, cv2.COLOR_RGBA2RGB, dst=image)
        mask = lane.buffer(f"enhance.mask.{place.slot}", (side, side))
        cv2.extractChannel(larger, 3, dst=mask)
        return self._made(place, side, image, mask)

    def _composite(self, lane: Lane, picture: Picture, crops: Crops, place: Place, paste: Paste) -> Canvas | None:
        """All of the picture there. Not for a swap that is seen through: what is under it would come back."""
        crop, side = place.crop, frame_px(place.to_input, self._side)
        assert crop.mask is not None
        if int(crop.mask.max()) < SOLID:
            return None
        image = lane.buffer(f"enhance.image.{place.slot}", (side, side, 3))
        self._cut(lane, picture, crops, resized(place.to_input, self._side, side), paste, image)
        from_crop = resized(place.from_crop(), self._side, side)
        swap = cv2.warpAffine(crop.mask, from_crop, (side, side), flags=cv2.INTER_LINEAR)
        shown = cv2.LUT(swap, opened())
        if not self._box:
            return self._made(place, side, image, np.asarray(shown, np.uint8), swap.astype(np.float32) / 255)
        box = visible_box(place, side, resized(place.from_crop(), self._side, side))
        if self._closed:
            box = np.minimum(box, _grown(swap))
        mask = lane.buffer(f"enhance.mask.{place.slot}", (side, side))
        cv2.max(cv2.multiply(box, 255.0, dtype=cv2.CV_8U), shown, dst=mask)
        return self._made(place, side, image, mask, box)

    def _made(self, place: Place, side: int, image: U8, mask: U8, weight: F32 | None = None) -> Canvas | None:
        crop = place.crop
        assert crop.mask is not None
        if int(crop.mask.max()) >= SOLID > int(mask.max()):
            return None  # too small to say anything about: the guard's answer must not change
        to_crop = resized(place.to_input, self._side, side)
        finer = enhanced(crop, image, mask, to_crop.astype(np.float32))
        return _masked(finer, resized(IDENTITY, side, self._side), weight)


def enhanced(crop: Crop, image: U8, mask: U8, to_crop: F32) -> Crop:
    """The same face in a crop of the enhancer's."""
    moved = chained(inverted(crop.to_crop), to_crop.astype(np.float64)).astype(np.float32)
    return replace(
        crop,
        image=image,
        mask=mask,
        to_crop=to_crop,
        points=transform_points(moved, crop.points),
        landmarks=transform_points(moved, crop.landmarks),
        fine=None,
        weight=None,
        whole=True,
    )


def visible_box(place: Place, side: int, from_crop: Affine) -> F32:
    """FaceFusion's box, less what hides the face. Shapes: from_crop (2, 3), px of the crop -> px of the box; -> (side, side)."""
    crop, box = place.crop, box_mask(side, _BLUR, _NO_PADDING)
    if crop.visible is None:
        return box
    height, width = crop.image.shape[:2]
    rows, columns = crop.visible.shape
    scale = np.array([[width / columns, 0, 0.5 * width / columns - 0.5], [0, height / rows, 0.5 * height / rows - 0.5]])
    seen = cv2.warpAffine(
        crop.visible, chained(scale, from_crop), (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(np.minimum(box, seen / np.float32(255)).clip(0, 1), np.float32)


def _in_place(place: Place) -> Canvas:
    """The swapped crop is as fine as the frame: it keeps its place, and no pixel of it is sampled a second time."""
    return _masked(replace(place.crop, whole=True, fine=None, weight=None), place.from_crop())


def _masked(crop: Crop, to_input: Affine, weight: F32 | None = None) -> Canvas:
    """The part of a crop that its mask shows."""
    assert crop.mask is not None
    x, y, width, height = cv2.boundingRect(crop.mask)
    part = np.s_[y : y + height, x : x + width]
    moved = to_input.copy()
    moved[:, 2] += moved[:, :2] @ (x, y)
    return Canvas(crop, crop.image[part], moved, None if weight is None else weight[part])


def _grown(mask: U8) -> F32:
    """A swap's mask and a soft margin: a box reaches to neighbours, whose faces must not come back over their covers."""
    small = cv2.resize(mask, (_GRID_PX, _GRID_PX), interpolation=cv2.INTER_AREA)
    reach = 2 * round(_GROWN * _GRID_PX) + 1
    wide = cv2.GaussianBlur(cv2.dilate(small, np.ones((reach, reach), np.uint8)), (reach, reach), 0)
    return np.asarray(cv2.resize(wide, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) / np.float32(255), np.float32)


@lru_cache(maxsize=1)
def opened() -> U8:
    """A mask's ramp, four times as steep: what is pasted is blended already, and would be thinned a second time."""
    table = np.minimum(np.arange(256) * 4, 255).astype(np.uint8)
    table.flags.writeable = False
    return table
