"""Where mask networks look: at faces brought onto a template, whatever shape the swapper's crop has.

A mask is kept in the face's aligned square, so it moves along with the face by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, chained, inverted
from livefuse.frame import F32, U8, Crop

_FACE = TEMPLATES["arcface_128"]
_HALF_PX = np.float32(0.5)  # side * template is where edges are; pixel centres lie half a pixel before
_EQUAL_PX = 1e-3


@dataclass(slots=True)
class Seen:
    """A crop as the stage saw it before the swap: where its aligned square lies, and what was estimated of it.

    Shapes: to_unit (2, 3), crop px -> px of the aligned square of side 1; estimate (gh, gw) over the crop's extent, of this
    frame where `estimated`; otherwise the last one holds.
    """

    crop: Crop
    to_unit: F32
    estimate: U8 | None = None
    estimated: bool = False


class Framing(Protocol):
    """Shapes: pictures (S, S, 3) RGB; `to_square` (2, 3) carries crop px to px of the aligned square. Raises: DegenerateFace."""

    def draw(self, lane: Lane, picture: Picture, crop: Crop, out: U8) -> None:
        """The target's face, before the swap."""
        ...

    def draw_swapped(self, crop: Crop, out: U8) -> None:
        """The face as the crop now has it."""
        ...

    def to_square(self, crop: Crop, side: int) -> F32: ...


class WholeCrop:
    """The crop itself, as FaceFusion does: learned swappers' crops are aligned."""

    def draw(self, lane: Lane, picture: Picture, crop: Crop, out: U8) -> None:
        self.draw_swapped(crop, out)

    def draw_swapped(self, crop: Crop, out: U8) -> None:
        cv2.resize(crop.image, out.shape[1::-1], dst=out)

    def to_square(self, crop: Crop, side: int) -> F32:
        return resized(crop.image.shape[:2], (side, side))


class ByPoints:
    """The face's five points onto a template, for crops that are cut along the frame's own axes."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def draw(self, lane: Lane, picture: Picture, crop: Crop, out: U8) -> None:
        self._backend.warp(lane, picture, joined(crop.to_crop, self.to_square(crop, out.shape[0])), out)

    def draw_swapped(self, crop: Crop, out: U8) -> None:
        there = self.to_square(crop, out.shape[0])
        cv2.warpAffine(crop.image, there, out.shape[1::-1], dst=out, borderMode=cv2.BORDER_REPLICATE)

    def to_square(self, crop: Crop, side: int) -> F32:
        return onto_template(crop, _FACE, side)


def onto_template(crop: Crop, template: F32, side: int) -> F32:
    """(2, 3): crop px -> px of a square in which the face's points lie on a template. Raises: DegenerateFace."""
    (matrix,) = similarity_from_points(crop.points[None], template * np.float32(side) - _HALF_PX)
    return np.asarray(matrix, np.float32)


def at_side(to_unit: F32, side: int) -> F32:
    """A map to the aligned square of side 1 as one to that of another side."""
    return joined(to_unit, resized((1, 1), (side, side)))


def resized(shape: tuple[int, ...], onto: tuple[int, ...]) -> F32:
    """(2, 3): px of an image -> px of the same image at another size. Shapes are (h, w)."""
    sy, sx = onto[0] / shape[0], onto[1] / shape[1]
    return np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]], np.float32)


def joined(first: F32 | Affine, second: F32 | Affine) -> F32:
    """(2, 3): one affine map after another, as crops have them."""
    return np.asarray(chained(first, second), np.float32)


def carried(mask: U8 | F32, there: F32, shape: tuple[int, int]) -> U8 | F32:
    """A mask in another image's px, what lies beyond it continuing its edge. `there` (2, 3): mask px -> that image's px."""
    if np.abs(there - resized(mask.shape, shape)).max() < _EQUAL_PX:
        return mask if mask.shape == tuple(shape) else cv2.resize(mask, shape[1::-1])
    back: Affine = inverted(there)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(mask, back, shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
