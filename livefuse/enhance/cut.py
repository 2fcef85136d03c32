"""Where a face lies for an enhancer: brought onto its template by five points, as it was for the swapper by its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from livefuse.align.templates import five_points, similarity_from_points
from livefuse.device.base import Lane, Picture
from livefuse.device.planes import Affine, chained, inverted, scale_of
from livefuse.enhance.motion import controls_of
from livefuse.frame import F32, U8, Colour, Crop, Crops
from livefuse.swap.base import Paste

_GRID_PX = 32
_NEAR = 1.5  # sides of the crop: what lies further from its middle does not reach into it


@dataclass(slots=True)
class Place:
    """One swapped face as the enhancer will see it.

    Shapes: to_input (2, 3) float64, frame px -> px of the network's input; controls (n, 2), what its shape hangs on, in
    sides of that input, None where no landmarks tell.
    """

    crop: Crop
    slot: int
    to_input: Affine
    controls: F32 | None

    def from_crop(self) -> Affine:
        """(2, 3): px of the swapper's crop -> px of the network's input."""
        return chained(inverted(self.crop.to_crop), self.to_input)


def place(crop: Crop, slot: int, template: F32) -> Place:
    """Shapes: template (5, 2), px of the network's input. Raises: DegenerateFace."""
    points = five_points(crop.landmarks) if len(crop.landmarks) else crop.points
    to_frame = inverted(crop.to_crop)
    (to_input,) = similarity_from_points(transformed(to_frame, points)[None], template).astype(np.float64)
    inside = transformed(chained(to_frame, to_input), crop.landmarks)
    return Place(crop, slot, to_input, controls_of(inside.astype(np.float32)))


def frame_px(to_input: Affine, side: int) -> int:
    """The side at which an input shows no more than the frame does, on a grid, `side` at most: finer is not worth carrying."""
    return min(side, -(-round(side / scale_of(to_input)) // _GRID_PX) * _GRID_PX)


IDENTITY: Affine = np.eye(2, 3)


def resized(affine: Affine, side: int, wanted: int) -> Affine:
    """The same map onto an image `wanted` px large instead of `side`."""
    ratio = wanted / side
    out = affine * ratio
    out[:, 2] += 0.5 * ratio - 0.5  # pixel centres
    return out


def transformed(affine: Affine, points: F32) -> Affine:
    """Shapes: points (n, 2) -> (n, 2)."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float64)


def exact(affine: Affine) -> F32:
    """For a crop, but kept in float64, which pastes compute in: float32 would move pixels by thousandths."""
    return cast(F32, affine)


def picture_of(image: U8) -> Picture:
    """An RGB image that crops can be pasted into."""
    return Picture((image,), "rgb24", image.shape[1], image.shape[0], Colour())


def paste_swapped(lane: Lane, image: U8, to_image: Affine, crops: Crops | Sequence[Crop], paste: Paste) -> None:
    """Put all swapped faces that lie near into an image of a part of the frame, as their swapper puts them into the frame.

    Shapes: image (h, w, 3); to_image (2, 3), frame px -> px of it. A neighbour's real face must not come back with ours.
    """
    small, to_frame = picture_of(image), inverted(to_image)
    for crop in crops:
        if crop.swapped and crop.mask is not None and _is_near(crop, to_image, image):
            paste(lane, small, replace(crop, to_crop=exact(chained(to_frame, crop.to_crop.astype(np.float64)))))


def _is_near(crop: Crop, to_image: Affine, image: U8) -> bool:
    middle = np.array([crop.image.shape[1], crop.image.shape[0]]) / 2
    into = chained(inverted(crop.to_crop), to_image)
    reach = scale_of(into) * max(crop.image.shape[:2])
    away = np.abs(into[:, :2] @ middle + into[:, 2] - np.array(image.shape[1::-1]) / 2)
    return bool((away < np.array(image.shape[1::-1]) / 2 + _NEAR * reach).all())
