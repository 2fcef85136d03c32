"""Mask networks that are functions, and crops for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from livefuse.align.templates import TEMPLATES, five_points, similarity_from_points, transform_points
from livefuse.frame import F32, U8, Crop
from livefuse.runtime.base import Feeds
from tests.unit.engines import FunctionEngine
from tests.unit.swap_faces import portrait

NO_LANDMARKS = np.empty((0, 2), np.float32)


def engine(shape: tuple[int | str, ...], answer: Callable[[F32], F32], name: str = "input") -> FunctionEngine:
    """One input, one output: `answer` gets the whole batch."""

    def run(feeds: Feeds) -> dict[str, F32]:
        return {"out": answer(feeds[name])}

    function = FunctionEngine({name: shape}, run)
    function.outputs = ["out"]
    return function


def xseg(answer: Callable[[F32], F32], batch: int | str = "batch") -> FunctionEngine:
    """`answer`: (256, 256, 3) BGR 0..1 -> (256, 256)."""
    return engine((batch, 256, 256, 3), lambda blob: np.stack([answer(one) for one in blob])[..., None])


def noise(side: int, seed: int = 1) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def aligned_crop(side: int, seed: int = 3, track: int = 1) -> Crop:
    """A synthetic person's face on arcface_128, with landmarks; the picture is noise. Frame px are crop px."""
    _, landmarks = portrait(seed)
    (to_crop,) = similarity_from_points(five_points(landmarks)[None], TEMPLATES["arcface_128"] * side)
    inside = transform_points(to_crop, landmarks)
    return Crop(track, noise(side, seed), np.eye(2, 3, dtype=np.float32), five_points(inside), inside)


def swapped(crop: Crop, opacity: int = 255) -> Crop:
    crop.mask, crop.swapped = np.full(crop.image.shape[:2], opacity, np.uint8), True
    return crop


def as_68(landmarks: F32) -> F32:
    """iBUG's 68 by hand: its 48 and 54, which are not among the 66, lie on the inner corners."""
    out = np.empty((68, 2), np.float32)
    out[:48], out[49:54], out[55:] = landmarks[:48], landmarks[48:53], landmarks[53:]
    out[48], out[54] = landmarks[58], landmarks[62]
    return out
