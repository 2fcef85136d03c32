"""The distribution of the target's colours, channel by channel."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.composite.colour.base import Seen
from livefuse.composite.colour.lattice import Place
from livefuse.device.base import Lane
from livefuse.frame import F32, U8

LEVELS = np.arange(256, dtype=np.float32)
_SIGMA_LEVELS = 4.0  # smoothing of the histograms: the lattice has few cells
_LEAST_SLOPE, _MOST_SLOPE = 0.6, 1.5  # flatter is a patch without features, steeper is noise and bands
_TAIL = 0.02  # beyond these parts of the distribution the curve goes straight to black and white


def matching_curve(source: U8, target: U8, weight: F32) -> F32:
    """The monotone curve (256,) that gives `source` the distribution of `target`. Shapes: all (n,), weight 0..1."""
    ours, theirs = (_cumulated(values, weight) for values in (source, target))
    curve = np.interp(ours, theirs, LEVELS)
    low, middle, high = np.searchsorted(ours, (_TAIL, 0.5, 1 - _TAIL)).clip(1, 254).tolist()
    slopes = np.clip(np.diff(curve[low : high + 1]), _LEAST_SLOPE, _MOST_SLOPE)
    inside = np.concatenate(([0], np.cumsum(slopes)))
    inside += curve[middle] - inside[middle - low]
    inside = np.clip(inside, 1, 254)
    ends = [0, *range(low, high + 1), 255], [0.0, *inside.tolist(), 255.0]
    return np.interp(LEVELS, *ends).astype(np.float32)


def _cumulated(values: U8, weight: F32) -> npt.NDArray[np.float64]:
    counts = np.bincount(values, weights=weight, minlength=256)
    counts = cv2.GaussianBlur(counts[None], (0, 0), _SIGMA_LEVELS, borderType=cv2.BORDER_REFLECT)[0] + 1e-9
    total = np.cumsum(counts)
    # Half of each level's own count, so that a distribution's middle lies on a level and not between two.
    return np.asarray((total - counts / 2) / total[-1], np.float64)


class Histogram:
    """The swapped face takes the distribution of each of the target's channels."""

    def __init__(self, amount: float) -> None:
        self._amount = np.float32(amount)

    def measure(self, seen: Seen) -> F32:
        weight = seen.weight.reshape(-1)
        ours, theirs = (image.reshape(-1, 3) for image in (seen.swapped, seen.target))
        return np.stack([matching_curve(ours[:, c], theirs[:, c], weight) for c in range(3)], axis=1)

    def apply(self, lane: Lane, image: U8 | F32, state: F32, seen: Seen, place: Place) -> U8 | F32:
        added = (state - LEVELS[:, None]) * self._amount
        if image.dtype == np.uint8:
            table = np.rint(np.clip(LEVELS[:, None] + added, 0, 255)).astype(np.uint8)
            return np.asarray(cv2.LUT(image, table[None], dst=lane.buffer("colour.uint8", image.shape)))
        levels = image.clip(0, 255).astype(np.uint8)
        change = cv2.LUT(levels, np.ascontiguousarray(added[None], np.float32))
        return np.asarray(cv2.add(image, change, dst=lane.buffer("colour.float32", image.shape, np.float32)))
