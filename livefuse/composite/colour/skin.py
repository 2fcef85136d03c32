"""Which cells of the lattice tell the light: bare skin that both faces show.

Eyes, brows and mouth belong to the person, not to the light. Nor do hands, hair and microphones: over a face, light
changes colours by factors that lie near a plane, and a thing before the face does not.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.composite.colour.lattice import CELLS, FIELD_CELLS
from livefuse.frame import F32, U8

# Eyes with their brows, and the mouth: shift down, standard deviations across and down, in eye distances.
_FEATURES = np.array([[-0.10, 0.30, 0.22], [-0.10, 0.30, 0.22], [0.0, 0.36, 0.20]], np.float32)
_HIDDEN = 0.95
_OVAL, _OVAL_SEAM = (0.46, 1.4, 1.65), 0.25  # the face: middle below the eyes, half width, half height
_FLOOR = 8.0  # grey levels added to both sides: black over black is no light
_TOLERANCE = 0.35  # least distance from the plane that counts as strange, in logarithms of the three channels together
_USUAL, _MOST_USUAL = 0.4, 4.0  # the part of the face that is surely bare; times its squared distance is still usual
_FIRST_ROUNDS, _ROUNDS = 4, 2  # the frame before is near
_STIFF = 0.02  # how strongly slopes keep to 0 where hardly anything is seen
_PLACES = np.arange(CELLS, dtype=np.float32)
_RAMP = (np.arange(FIELD_CELLS, dtype=np.float32) + 0.5) * (2 / FIELD_CELLS) - 1
_PLANE = np.stack((np.ones(FIELD_CELLS**2), np.tile(_RAMP, FIELD_CELLS), np.repeat(_RAMP, FIELD_CELLS)), axis=1).astype(
    np.float32
)


def bare(mask: U8, points: F32) -> F32:
    """0..1: how much of each cell is swapped, face, and no feature: some masks are boxes, with ground beside the face.

    Shapes: mask (CELLS, CELLS), points (5, 2) cells -> (CELLS, CELLS).
    """
    share = mask.astype(np.float32)
    share *= share * np.float32(1 / 255**2)
    share *= _oval(points)
    apart = float(np.hypot(*(points[1] - points[0]).tolist())) + 1e-3
    centres = np.array([points[0], points[1], (points[3] + points[4]) / 2], np.float32)
    centres[:, 1] += _FEATURES[:, 0] * apart
    reach = (_PLACES - centres[..., None]) / (_FEATURES[:, 1:, None] * np.float32(apart))
    near = np.exp(-0.5 * reach * reach)
    share *= np.maximum(1 - np.float32(_HIDDEN) * (near[:, 1].T @ near[:, 0]), 0)
    return share


def _oval(points: F32) -> F32:
    """1 where an aligned face surely is, 0 outside of it."""
    apart = float(np.hypot(*(points[1] - points[0]).tolist())) + 1e-3
    down, width, height = (each * apart for each in _OVAL)
    x, y = ((points[0] + points[1]) / 2).tolist()
    columns, rows = ((_PLACES - x) / width) ** 2, ((_PLACES - y - down) / height) ** 2
    reach = np.sqrt(rows[:, None] + columns)
    return np.asarray(np.clip((1 - reach) / _OVAL_SEAM, 0, 1), np.float32)


class Plane(NamedTuple):
    """The light's change over the face: `slopes` (3, 3) are level, rise to the right and rise down (rows) of each
    channel's logarithm; `trust` (FIELD_CELLS, FIELD_CELLS) is 1 where the face keeps to it."""

    slopes: F32
    trust: F32

    def field(self) -> F32:
        """(FIELD_CELLS, FIELD_CELLS, 3) logarithms."""
        return (_PLANE @ self.slopes).reshape(FIELD_CELLS, FIELD_CELLS, 3)


def plane_of(target: F32, swapped: F32, weight: F32, start: F32 | None) -> Plane:
    """The plane that most of the face keeps to, by iteratively reweighted least squares.

    `start` are the slopes of the frame before: with them, even a hand over most of the face is told from the light.
    Shapes: target, swapped (FIELD_CELLS, FIELD_CELLS, 3) grey levels; weight (FIELD_CELLS, FIELD_CELLS).
    """
    factors = cv2.log((target + np.float32(_FLOOR)) / (swapped + np.float32(_FLOOR))).reshape(-1, 3)
    sure = weight.reshape(-1)
    slopes = _level(factors, sure) if start is None else start
    trust = _trust(factors, slopes, sure)
    for _ in range(_FIRST_ROUNDS if start is None else _ROUNDS):
        slopes = _fitted(factors, sure * trust)
        trust = _trust(factors, slopes, sure)
    return Plane(slopes, trust.reshape(weight.shape))


def _level(factors: F32, weight: F32) -> F32:
    slopes = np.zeros((3, 3), np.float32)
    seen = weight > 0.5 * float(weight.max())
    slopes[0] = np.median(factors[seen], axis=0)
    return slopes


def _trust(factors: F32, slopes: F32, weight: F32) -> F32:
    apart = factors - _PLANE @ slopes
    squared = np.einsum("ij,ij->i", apart, apart)
    # Where most of the face is far off, the light has changed: what counts is to be farther off than the rest.
    seen = squared[weight > 0.3]
    usual = float(np.partition(seen, int(_USUAL * len(seen)))[int(_USUAL * len(seen))]) if len(seen) else 0.0
    scale = max(_TOLERANCE**2, _MOST_USUAL * usual)
    squared *= np.float32(1 / scale)
    return np.asarray(1 / (1 + squared * squared), np.float32)


def _fitted(factors: F32, weight: F32) -> F32:
    weighted = (_PLANE * weight[:, None]).T
    normal = weighted @ _PLANE
    held = np.float32(_STIFF) * normal[0, 0]
    normal += np.diag([0, held, held]).astype(np.float32) + np.eye(3, dtype=np.float32) * np.float32(1e-4)
    return np.asarray(cv2.solve(normal, weighted @ factors, flags=cv2.DECOMP_CHOLESKY)[1], np.float32)
