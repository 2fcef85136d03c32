"""Faces under light, for the tests of the colour stage: a target and what a swapper made of it, in one aligned crop."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES
from livefuse.composite.colour.make import make_colour
from livefuse.composite.colour.stage import Colour
from livefuse.config import make_config
from livefuse.device.base import Lane
from livefuse.frame import F32, U8, Crop

FRAME_NS = 33_333_333
SIDE = 128


def stage(
    method: str,
    *,
    seconds: float = 0.4,
    amount: float = 1.0,
    model: str = "inswapper_128",
    profile: str = "livefuse",
    seam: float = 0.0,
) -> Colour:
    colour = {"method": method, "seconds": seconds, "amount": amount, "seam": seam}
    settings = {f"colour.{key}": value for key, value in colour.items()}
    made = make_colour(make_config({}, settings | {"swap.model": model, "profile.name": profile}))
    assert isinstance(made, Colour)
    return made


def face(level: float = 130.0, seed: int = 1, side: int = SIDE) -> F32:
    """Skin with features: (side, side, 3) grey levels, dark where an aligned face has eyes and mouth."""
    coarse = np.random.default_rng(seed).normal(0, 4, (16, 16, 3)).astype(np.float32)
    skin = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    skin += level * np.array([1.15, 0.95, 0.85], np.float32)
    for x, y in points(side)[[0, 1, 3, 4]].tolist():
        cv2.circle(skin, (round(x), round(y)), side // 20, (50.0, 40.0, 40.0), -1)
    return np.asarray(skin.clip(1, 254), np.float32)


def points(side: int = SIDE) -> F32:
    return np.asarray(TEMPLATES["arcface_128"] * side, np.float32)


def mask(side: int = SIDE) -> U8:
    out = np.zeros((side, side), np.uint8)
    cv2.ellipse(out, (side // 2, side * 53 // 100), (side * 38 // 100, side * 44 // 100), 0, 0, 360, 255, -1)
    return np.asarray(cv2.GaussianBlur(out, (0, 0), side / 30), np.uint8)


def as_u8(image: F32) -> U8:
    return np.asarray(np.rint(image.clip(0, 255)), np.uint8)


def changed(
    colour: Colour, target: F32, swapped: F32, t_ns: int = 0, *, fine: bool = False, track: int = 1, box: bool = False
) -> Crop:
    """One frame of a stage: the target is cut, swapped, and its colours are changed."""
    side = target.shape[0]
    no_landmarks = np.empty((0, 2), np.float32)
    crop = Crop(track, as_u8(target), np.eye(2, 3, dtype=np.float32), points(side), no_landmarks)
    lane = Lane(0)
    colour.begin(lane, [crop])
    crop.image[...] = as_u8(swapped)
    crop.fine = swapped.astype(np.float32).copy() if fine else None
    crop.mask, crop.swapped = np.full((side, side), 255, np.uint8) if box else mask(side), True
    colour(lane, [crop], t_ns)
    return crop


def skin_of(image: U8 | F32) -> F32:
    """Mean colour of cheeks, nose and forehead: what no eye or mouth lies in."""
    side = image.shape[0]
    parts = [
        image[int(a * side) : int(b * side), int(c * side) : int(d * side)].reshape(-1, 3)
        for a, b, c, d in ((0.50, 0.62, 0.22, 0.36), (0.50, 0.62, 0.64, 0.78), (0.18, 0.26, 0.35, 0.65))
    ]
    return np.asarray(np.concatenate(parts).astype(np.float64).mean(axis=0), np.float32)
