"""Working on a part of a picture as another program works on the whole: read exactly, compute, write back what changed."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine, inverted, spanned
from livefuse.frame import F32, U8


class Box(NamedTuple):
    """A rectangle of whole pixels inside a frame; empty when `x2 <= x1` or `y2 <= y1`."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.y2 - self.y1, self.x2 - self.x1

    @property
    def is_empty(self) -> bool:
        return self.x2 <= self.x1 or self.y2 <= self.y1

    def shift(self) -> F32:
        """(2, 3): frame px -> px of the box."""
        return np.array([[1, 0, -self.x1], [0, 1, -self.y1]], np.float32)

    def onto(self, to_frame: Affine) -> Affine:
        """A map to frame px as one to px of the box."""
        moved = to_frame.copy()
        moved[:, 2] -= (self.x1, self.y1)
        return moved


def covered(to_frame: Affine, low: float, high: float, pad: int, picture: Picture) -> Box:
    """Frame pixels under the crop's square from `low` to `high` crop px, out to whole ones, with `pad` more.

    Both ends are floor and ceiling, the second one excluded, as programs slice.
    """
    corners = np.array([[low, low], [high, low], [high, high], [low, high]])
    points = corners @ to_frame[:, :2].T + to_frame[:, 2]
    limits = np.array([picture.width, picture.height])
    first = np.clip(np.floor(points.min(axis=0)) - pad, 0, limits).astype(int)
    last = np.clip(np.ceil(points.max(axis=0)) + pad, 0, limits).astype(int)
    return Box(int(first[0]), int(first[1]), int(last[0]), int(last[1]))


def read(backend: Backend, lane: Lane, picture: Picture, box: Box, name: str) -> U8:
    """A copy of the box's pixels, (h, w, 3) RGB in lane memory."""
    out = lane.buffer(name, (*box.shape, 3))
    backend.warp(lane, picture, box.shift(), out)
    return out


def write(backend: Backend, lane: Lane, picture: Picture, box: Box, image: U8, changed: U8) -> None:
    """Put back the box's pixels where `changed` (h, w) is 255."""
    backend.paste(lane, picture, image, changed, box.shift())


def sample(backend: Backend, lane: Lane, picture: Picture, to_crop: F32, out: U8, border: int) -> None:
    """Warp bilinearly from the full-size picture, without averaging, as `cv2.warpAffine` on the whole frame does."""
    side = out.shape[0]
    limit = (picture.width, picture.height)
    region = spanned(inverted(to_crop), side, side, limit, pad=2, grid=1)
    box = Box(region.x, region.y, region.x + region.width, region.y + region.height)
    image = read(backend, lane, picture, box, "profile.source")
    moved = to_crop.astype(np.float64)
    moved[:, 2] += moved[:, :2] @ (box.x1, box.y1)
    cv2.warpAffine(image, moved, (side, side), dst=out, flags=cv2.INTER_LINEAR, borderMode=border)


def warped(lane: Lane, image: U8 | F32, to_frame: Affine, box: Box, border: int) -> U8 | F32:
    """A crop's colours where they land in a box, bilinear. Shapes: image (S, S, 3) -> (h, w, 3).

    Through four channels, which OpenCV warps two to three times as fast as three, to the same values.
    """
    shape, kind = box.shape, image.dtype.name
    four = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    wide = lane.buffer(f"profile.four.{kind}", (*shape, 4), image.dtype)
    cv2.warpAffine(four, box.onto(to_frame), shape[::-1], dst=wide, flags=cv2.INTER_LINEAR, borderMode=border)
    out = lane.buffer(f"profile.over.{kind}", (*shape, 3), image.dtype)
    return np.asarray(cv2.cvtColor(wide, cv2.COLOR_RGBA2RGB, dst=out))


def mix(lane: Lane, under: U8, over: U8 | F32, weight: F32) -> U8:
    """`under * (1 - weight) + over * weight` in float32, truncated: how NumPy programs blend.

    Shapes: under, over (h, w, 3); weight (h, w) 0..1.
    """
    shape = under.shape
    weights = cv2.merge((weight,) * 3, dst=lane.buffer("profile.weights", shape, np.float32))
    mixed = np.multiply(over, weights, out=lane.buffer("profile.mixed", shape, np.float32))
    np.subtract(np.float32(1), weights, out=weights)
    np.multiply(under, weights, out=weights)
    np.add(mixed, weights, out=mixed)
    out = lane.buffer("profile.out", shape)
    np.copyto(out, mixed, casting="unsafe")
    return out


def touched(lane: Lane, weight: F32) -> U8:
    """255 where a weight leaves a pixel not as it was."""
    return np.asarray(cv2.compare(weight, 0, cv2.CMP_GT, dst=lane.buffer("profile.touched", weight.shape)), np.uint8)


def truncated(face: F32, out: U8) -> None:
    """0..1 -> 0..255, clipped and truncated, as insightface and Deep-Live-Cam quantise a swapped crop."""
    np.copyto(out, np.clip(face * np.float32(255), 0, 255), casting="unsafe")


def opaque(weight: F32) -> U8:
    """A mask 0..1 as 0..255, for those who only ask how opaque a crop is."""
    return np.asarray(cv2.multiply(weight, 255.0, dtype=cv2.CV_8U), np.uint8)
