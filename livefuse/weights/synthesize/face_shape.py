"""An upright face in rough numbers, as the biases of landmark networks: random weights then still mark something face-like."""

from __future__ import annotations

import math

import numpy as np

from livefuse.frame import F32

_BROW = ((0.10, 0.12), (0.18, 0.06), (0.27, 0.05), (0.36, 0.07), (0.44, 0.10))
_BRIDGE = ((0.5, 0.22), (0.5, 0.31), (0.5, 0.40), (0.5, 0.50))
_NOSTRILS = ((0.40, 0.56), (0.45, 0.58), (0.50, 0.59), (0.55, 0.58), (0.60, 0.56))
_EYE = ((0.20, 0.24), (0.26, 0.20), (0.33, 0.20), (0.39, 0.25), (0.33, 0.27), (0.26, 0.27))
_LIPS = ((0.31, 0.72), (0.38, 0.69), (0.45, 0.67), (0.5, 0.68), (0.55, 0.67), (0.62, 0.69), (0.69, 0.72), (0.62, 0.78),
         (0.55, 0.81), (0.5, 0.82), (0.45, 0.81), (0.38, 0.78))  # fmt: skip
_INNER_LIPS = ((0.34, 0.72), (0.45, 0.71), (0.5, 0.715), (0.55, 0.71), (0.66, 0.72), (0.55, 0.755), (0.5, 0.76),
               (0.45, 0.755))  # fmt: skip
_MIRRORED_EYE = (3, 2, 1, 0, 5, 4)
"""Which point of the left eye the right one's points mirror, so that both run the same way round."""


def face_68() -> F32:
    """The 68 points of iBUG's order, in a unit box from the brows to the chin."""
    angles = np.pi * np.arange(17) / 16
    jaw = np.stack([0.5 - 0.5 * np.cos(angles), 0.25 + 0.72 * np.sin(angles)], axis=1)
    brow, eye = np.array(_BROW), np.array(_EYE)
    right_eye = _mirrored(eye)[list(_MIRRORED_EYE)]
    rows = [jaw, brow, _mirrored(brow)[::-1], _BRIDGE, _NOSTRILS, eye, right_eye, _LIPS, _INNER_LIPS]
    return np.concatenate([np.asarray(row) for row in rows]).astype(np.float32)


def face_106() -> F32:
    """The 106 points of insightface's groups: contour, left eye and brow, mouth, nose, right eye and brow.

    Eyes hold their centres at 38 and 88, mouth corners are 52 and 61, the nose's tip is 86; the rest of each group follows
    its outline.
    """
    face = face_68()
    angles = np.concatenate([[0.5], np.linspace(0, 0.47, 16), np.linspace(1, 0.53, 16)]) * np.pi
    contour = np.stack([0.5 - 0.5 * np.cos(angles), 0.25 + 0.72 * np.sin(angles)], axis=1)
    left_eye, right_eye = (_with_centre(face[start : start + 6], at) for start, at in ((36, 5), (42, 1)))
    left_brow, right_brow = (_along(face[start : start + 5], 9) for start in (17, 22))
    outline = face[48:68]
    mouth = np.concatenate([outline[:1], outline[1:6], outline[7:10], outline[6:7], outline[10:]])
    mouth[9] = outline[6]
    nose = np.concatenate([_along(face[27:31], 9), face[31:36], face[30:31]])
    nose[14] = face[30]
    return np.concatenate([contour, left_eye, left_brow, mouth, nose, right_eye, right_brow]).astype(np.float32)


def face_468() -> F32:
    """468 points over an oval, spread like a sunflower's seeds, with those that alignment uses in their places; z is 0."""
    index = np.arange(468)
    radius, angle = np.sqrt((index + 0.5) / 468) / 2, index * math.pi * (3 - math.sqrt(5))
    oval = np.stack([0.5 + radius * np.cos(angle), 0.42 + 1.1 * radius * np.sin(angle)], axis=1)
    face = face_68()
    known = {33: 36, 133: 39, 159: 37, 145: 41, 362: 42, 263: 45, 386: 43, 374: 47, 1: 30, 4: 30, 61: 48, 291: 54,
             13: 62, 14: 66, 152: 8, 0: 51, 17: 57, 168: 27}  # fmt: skip
    for point, source in known.items():
        oval[point] = face[source]
    return np.concatenate([oval, np.zeros((468, 1))], axis=1).astype(np.float32)


def _mirrored(points: F32) -> F32:
    return np.stack([1 - points[:, 0], points[:, 1]], axis=1)


def _along(points: F32, count: int) -> F32:
    at = np.linspace(0, len(points) - 1, count)
    return np.stack([np.interp(at, np.arange(len(points)), points[:, axis]) for axis in range(2)], axis=1)


def _with_centre(ring: F32, at: int) -> F32:
    """Ten points: nine round the eye, its centre at place `at`."""
    round_points = _along(np.concatenate([ring, ring[:1]]), 10)[:9]
    return np.insert(round_points, at, ring.mean(axis=0), axis=0)
