"""LivePortrait's motion: 21 points of a canonical face, moved by an expression, turned, scaled and shifted.

Source: Guo et al., "LivePortrait", 2024, eq. 2; which points an expression may take over, and how far: facefusion 3.8.1
expression_restorer, by its contract.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.enhance.expression.limits import HIGHEST, LOWEST
from livefuse.frame import F32
from livefuse.weights.recipe import Recipe

COUNT = 21
_UPPER = [1, 2, 6, 10, 11, 12, 13, 15, 16]
_LOWER = [3, 7, 14, 17, 18, 19, 20]
_NEVER = [0, 4, 5, 8, 9]  # the outline of the head, which is the identity's
_STRONGEST = 1.2  # at an amount of 100
_BINS, _BIN_DEGREES, _FIRST_DEGREES = 66, 3.0, -97.5


@dataclass(frozen=True, slots=True)
class Motion:
    """What the motion extractor says of one face. Angles in degrees; shapes: shift (3,), expression and keypoints (21, 3)."""

    pitch: float
    yaw: float
    roll: float
    scale: float
    shift: F32
    expression: F32
    keypoints: F32

    def points(self, expression: F32) -> F32:
        """The face's points with that expression, (1, 21, 3)."""
        turned = self.keypoints @ rotation(self.pitch, self.yaw, self.roll).T
        return np.asarray((self.scale * (turned + expression) + self.shift)[None], np.float32)


def read_motion(outputs: Mapping[str, npt.NDArray[Any]], recipe: Recipe) -> Motion:
    """By the roles of the recipe's outputs. Exports give angles in degrees, or their 66 bins."""
    found = {str(tensor.role): np.asarray(outputs[tensor.name], np.float32) for tensor in recipe.outputs}
    pitch, yaw, roll = (degrees(found[name].reshape(-1)) for name in ("pitch", "yaw", "roll"))
    return Motion(
        pitch,
        yaw,
        roll,
        float(found["scale"].reshape(-1)[0]),
        found["translation"].reshape(3),
        found["expression"].reshape(COUNT, 3),
        found["keypoints"].reshape(COUNT, 3),
    )


def degrees(values: F32) -> float:
    """An angle, or the expectation over 66 bins of 3° from -97.5° on, of which the network gives logits."""
    if len(values) != _BINS:
        return float(values[0])
    likely = np.exp(values - values.max())
    likely /= likely.sum()
    return float(likely @ np.arange(_BINS) * _BIN_DEGREES + _FIRST_DEGREES)


def rotation(pitch: float, yaw: float, roll: float) -> F32:
    """About x, then y, then z, each fixed in space; degrees. Shapes: (3, 3)."""
    (sx, cx), (sy, cy), (sz, cz) = ((math.sin(a), math.cos(a)) for a in map(math.radians, (pitch, yaw, roll)))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float32)


def restored(target: Motion, swap: Motion, amount: float, areas: Collection[str]) -> tuple[F32, F32]:
    """The points that the swapped face is driven to, and its own: (1, 21, 3) each.

    `amount` 0..100 of the target's expression, in those areas ("upper-face", "lower-face") alone. The head stays as the swap
    has turned it.
    """
    wanted = target.expression.copy()
    kept = [*_NEVER, *(_UPPER if "upper-face" not in areas else ()), *(_LOWER if "lower-face" not in areas else ())]
    wanted[kept] = swap.expression[kept]
    factor = np.float32(amount / 100 * _STRONGEST)
    mixed = wanted * factor + swap.expression * (1 - factor)
    return swap.points(np.clip(mixed, LOWEST, HIGHEST)), swap.points(swap.expression)
