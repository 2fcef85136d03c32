"""The distribution of the target's colours, channel by channel."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.composite.colour.base import Seen
from livefuse.composite.colour.lattice import Place
from livefuse.device.base import Lane
from livefuse.frame import F32, U8

F64: TypeAlias = npt.NDArray[np.float64]
LEVELS = np.arange(256, dtype=np.float32)
_SIGMA_LEVELS, _BLUR_LEVELS = 4.0, 25  # smoothing of the histograms: the lattice has few cells
_LEAST_SLOPE, _MOST_SLOPE = 0.6, 1.5  # flatter is a patch without features, steeper is noise and bands
_TAIL = 0.02  # beyond these parts of the distribution the curve goes straight to black and white


def matching_curves(source: U8, target: U8, weight: F32) -> F32:
    """Per channel, the monotone curve that gives `source` the distribution of `target`.

    Shapes: source, target (n, c) levels; weight (n,) 0..1 -> (256, c).
    """
    ours, theirs = _cumulated(source, weight), _cumulated(target, weight)
    return np.stack([_curve(*both) for both in zip(ours, theirs, strict=True)], axis=1)


def _curve(ours: F64, theirs: F64) -> F32:
    curve = np.interp(ours, theirs, LEVELS)
    low, middle, high = ours.searchsorted((_TAIL, 0.5, 1 - _TAIL)).clip(1, 254).tolist()
    inside = np.zeros(high - low + 1)
    np.cumsum(np.diff(curve[low : high + 1]).clip(_LEAST_SLOPE, _MOST_SLOPE), out=inside[1:])
    inside += curve[middle] - inside[middle - low]
    places = np.concatenate(([0], LEVELS[low : high + 1], [255]))
    return np.interp(LEVELS, places, np.concatenate(([0], inside.clip(1, 254), [255]))).astype(np.float32)


def _cumulated(levels: U8, weight: F32) -> F64:
    """Per channel, the part of the distribution up to the middle of each level, so that the middle of a narrow one lies on
    its level and not beside it. Shapes: levels (n, c), weight (n,) -> (c, 256)."""
    channels = levels.shape[1]
    places = levels.T + 256 * np.arange(channels)[:, None]
    counts = np.bincount(places.ravel(), weights=np.tile(weight, channels), minlength=256 * channels)
    counts = counts.reshape(channels, 256)
    counts = cv2.GaussianBlur(counts, (_BLUR_LEVELS, 1), _SIGMA_LEVELS, borderType=cv2.BORDER_REFLECT) + 1e-9
    upto = np.cumsum(counts, axis=1)
    return np.asarray((upto - counts / 2) / upto[:, -1:], np.float64)


class Histogram:
    """The swapped face takes the distribution of each of the target's channels."""

    def __init__(self, amount: float) -> None:
        self._amount = np.float32(amount)

    def measure(self, seen: Seen) -> F32:
        return matching_curves(seen.swapped.reshape(-1, 3), seen.target.reshape(-1, 3), seen.weight.reshape(-1))

    def apply(self, lane: Lane, image: U8 | F32, state: F32, seen: Seen, place: Place) -> U8 | F32:
        added = (state - LEVELS[:, None]) * self._amount
        if image.dtype == np.uint8:
            return _looked_up(
                lane, np.asarray(image, np.uint8), np.rint(np.clip(LEVELS[:, None] + added, 0, 255)).astype(np.uint8)
            )
        levels = image.clip(0, 255).astype(np.uint8)
        change = cv2.LUT(levels, np.ascontiguousarray(added[None], np.float32))
        return np.asarray(cv2.add(image, change, dst=lane.buffer("colour.float32", image.shape, np.float32)))


def _looked_up(lane: Lane, image: U8, table: U8) -> U8:
    """One channel at a time: twice as fast as all three together. Shapes: table (256, 3)."""
    plane = lane.buffer("colour.plane", image.shape[:2])
    out = lane.buffer("colour.uint8", image.shape)
    for channel in range(3):
        cv2.extractChannel(image, channel, dst=plane)
        cv2.insertChannel(cv2.LUT(plane, np.ascontiguousarray(table[:, channel]), dst=plane), out, channel)
    return out
