"""Mean and spread of the target's colours in CIELAB.

Source: Reinhard et al. 2001, "Color Transfer between Images", eqs. 10-11, in CIELAB on 0..1 as Deep-Live-Cam has it.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.composite.colour.base import Seen
from livefuse.composite.colour.lattice import Place
from livefuse.device.base import Lane
from livefuse.frame import F32, U8

_LEAST_SPREAD = 1e-6
_LEAST_GAIN, _MOST_GAIN = 0.7, 1.3  # beyond, one of both is in side light or saturated: its spread is not its features'
# Colours around the face's mean at which the map in RGB is fitted: steps of its lightness and of both opponent colours.
_STEPS = np.stack(
    np.meshgrid([-2.2, -1.1, 0, 1.1, 2.0], [-1.5, 0, 1.5], [-1.5, 0, 1.5], indexing="ij"), axis=-1
).reshape(-1, 3)
_LEAST_STEP = np.array([12, 6, 6])


def statistics(lab: F32, weight: F32) -> tuple[F32, F32]:
    """Weighted mean and standard deviation. Shapes: lab (..., 3), weight (...) -> (3,), (3,)."""
    values, weights = lab.reshape(-1, 3), weight.reshape(-1)
    total = max(float(weights.sum()), _LEAST_SPREAD)
    mean = weights @ values / total
    apart = values - mean
    return mean, np.sqrt(weights @ (apart * apart) / total)


def transfer(source: tuple[F32, F32], target: tuple[F32, F32], least: float, most: float) -> F32:
    """`lab * gain + offset` per channel, with the gain kept from `least` to `most`. Shapes: means and standard deviations
    (3,) -> (2, 3)."""
    gain = np.clip(target[1] / np.maximum(source[1], _LEAST_SPREAD), least, most)
    return np.stack((gain, target[0] - gain * source[0])).astype(np.float32)


def to_lab(rgb: U8) -> F32:
    """Shapes: (h, w, 3) 0..255 -> (h, w, 3), lightness 0..100."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2LAB), np.float32)


class LabStatistics:
    """The swapped face takes mean and spread of the target's lightness and opponent colours."""

    def __init__(self, amount: float) -> None:
        self._amount = np.float32(amount)

    def measure(self, seen: Seen) -> F32:
        ours, theirs = (statistics(to_lab(image), seen.weight) for image in (seen.swapped, seen.target))
        return transfer(ours, theirs, _LEAST_GAIN, _MOST_GAIN)

    def apply(self, lane: Lane, image: U8 | F32, state: F32, seen: Seen, place: Place) -> U8 | F32:
        mixed = state * self._amount + np.array([[1], [0]], np.float32) * (1 - self._amount)
        matrix = as_rgb(mixed, *statistics(to_lab(seen.swapped), seen.weight))
        out = lane.buffer(f"colour.{image.dtype.name}", image.shape, image.dtype)
        return np.asarray(cv2.transform(image, matrix, dst=out))


def as_rgb(change: F32, mean: F32, spread: F32) -> F32:
    """The map in CIELAB as the nearest affine one of RGB levels, which costs a tenth; nearest over the colours around a
    face's own. Shapes: change (2, 3), mean and spread (3,) -> (3, 4)."""
    lab = (mean + _STEPS * np.maximum(spread, _LEAST_STEP)).astype(np.float32)
    before, after = (
        cv2.cvtColor(colours[None].astype(np.float32), cv2.COLOR_LAB2RGB)[0] * np.float32(255)
        for colours in (lab, lab * change[0] + change[1])
    )
    known = cv2.hconcat((before, np.ones((len(before), 1), np.float32)))
    _, matrix = cv2.solve(known.T @ known, known.T @ after, flags=cv2.DECOMP_CHOLESKY)
    return np.asarray(matrix.T, np.float32)
