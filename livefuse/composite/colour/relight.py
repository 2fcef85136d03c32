"""The target's light: what its smooth shading is over the swapped face's, as a field of factors.

The plane that the light keeps to at large carries what no skin tells; around it, the ratio of both faces' blurred colours,
averaged over skin alone. Features are finer than the blur: they stay the identity's.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.composite.colour.base import Seen
from livefuse.composite.colour.lattice import CELLS, FIELD_CELLS, Place
from livefuse.device.base import Lane
from livefuse.frame import F32, U8

_BLUR_CELLS = 1.5  # standard deviation
_FLOOR = 6.0  # grey levels added to both sides
_FILL = 0.02  # weight of the face's mean everywhere: what no skin reaches keeps to the plane
# Bounds of the logarithms: factors of 0.1 to 3.3, and of 2 at any place against the face's mean.
_LEAST, _MOST, _MOST_APART = np.float32(-2.3), np.float32(1.2), np.float32(0.7)
_WHITE = np.float32(246.0)  # grey level that smooth parts stay below, or highlights become flat patches
_STEP_PX = 8  # the field is turned on a coarse grid, then enlarged


class Relight:
    """The swapped face takes the target's smooth shading."""

    def __init__(self, amount: float) -> None:
        self._amount = np.float32(amount)

    def measure(self, seen: Seen) -> F32:
        return light_field(seen)

    def apply(self, lane: Lane, image: U8 | F32, state: F32, seen: Seen, place: Place) -> U8 | F32:
        field = enlarged(lane, cv2.exp(state * self._amount), image.shape[:2], place)
        out = lane.buffer(f"colour.{image.dtype.name}", image.shape, image.dtype)
        return np.asarray(
            cv2.multiply(image, field, dst=out, dtype=cv2.CV_8U if image.dtype == np.uint8 else cv2.CV_32F)
        )


def light_field(seen: Seen) -> F32:
    """(FIELD_CELLS, FIELD_CELLS, 3): logarithms of the factors."""
    at_large = np.clip(seen.plane.field(), _LEAST, _MOST)
    stacked = np.empty((FIELD_CELLS, FIELD_CELLS, 6), np.float32)
    np.add(seen.field_swapped, np.float32(_FLOOR), out=stacked[..., 3:])
    np.multiply(seen.field_target + np.float32(_FLOOR), cv2.exp(-at_large), out=stacked[..., :3])
    weight = seen.field_weight
    stacked *= weight[..., None]
    total = max(float(weight.sum()), 1e-3)
    mean = stacked.reshape(-1, 6).sum(axis=0) / np.float32(total)
    smooth = cv2.GaussianBlur(stacked, (0, 0), _BLUR_CELLS, borderType=cv2.BORDER_CONSTANT)
    smooth += np.maximum(mean, 1e-3) * np.float32(_FILL)
    field = at_large + cv2.log(smooth[..., :3] / smooth[..., 3:])
    return _bounded(field, seen)


def _bounded(field: F32, seen: Seen) -> F32:
    weight = seen.field_weight.reshape(-1)
    middle = (weight @ field.reshape(-1, 3) / max(float(weight.sum()), 1e-3)).clip(_LEAST, _MOST)
    field = np.clip(field, np.maximum(middle - _MOST_APART, _LEAST), np.minimum(middle + _MOST_APART, _MOST))
    peak = (seen.field_swapped * cv2.exp(field)).max(axis=2)
    field += np.minimum(cv2.log(_WHITE / np.maximum(peak, 1)), 0)[..., None]
    return np.asarray(field, np.float32)


def enlarged(lane: Lane, field: F32, shape: tuple[int, int], place: Place) -> F32:
    """A field of the lattice over a crop. Shapes: field (n, n, 3) -> (h, w, 3), in lane memory."""
    height, width = shape
    if not place.is_upright or height != width:
        field = _turned(field, shape, place)
    out = lane.buffer("colour.field", (height, width, 3), np.float32)
    return np.asarray(cv2.resize(field, (width, height), dst=out, interpolation=cv2.INTER_LINEAR), np.float32)


def _turned(field: F32, shape: tuple[int, int], place: Place) -> F32:
    height, width = shape
    small = max(2, width // _STEP_PX), max(2, height // _STEP_PX)
    to_small = np.array(
        [[small[0] / width, 0, 0.5 * small[0] / width - 0.5], [0, small[1] / height, 0.5 * small[1] / height - 0.5]]
    )
    per = CELLS / field.shape[0]
    to_cells = np.array([[per, 0, (per - 1) / 2], [0, per, (per - 1) / 2], [0, 0, 1]])
    matrix = to_small @ np.vstack((np.vstack((place.to_crop, (0, 0, 1))) @ to_cells,))
    return np.asarray(
        cv2.warpAffine(field, matrix, small, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
