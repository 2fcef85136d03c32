"""How good a shot of a face is: sharp, seen from the front, well lit."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.frame import F32, U8
from livefuse.swap.identity import Quality

BLURRED = 0.15
"""Sharpness below which a shot is blurred: fine detail is gone, as after a Gaussian of 2 % of the face's size."""

_SIDE_PX = 112  # of the aligned face that is judged: what recognisers see
_FINE_PX, _COARSE_PX = 1.0, 3.0
# Fine over middle detail. Measured on four portraits, a talking head and drawn faces: 0.57 to 0.72 sharp, 0.28 to 0.34
# after a Gaussian of 1 % of the face's size, 0.20 to 0.25 after 2 %, no lower after 4 %.
_NO_DETAIL, _FULL_DETAIL = 0.2, 0.5
_ROUNDING = 0.13  # variance that rounding to whole levels adds, in photo and crop: not detail
_TURN = 0.3  # offset of the nose, in eye distances, at which a turned head scores 1/e
_NOD, _NOSE_HEIGHT = 0.2, 0.58  # the nose's place between eyes and mouth: mean of frontal faces, and what scores 1/e
_DARK, _LIT, _BRIGHT, _WHITE = 20, 60, 190, 245


def quality_of(image: U8, points: F32, face_px: float) -> Quality:
    """Shapes: image (h, w, 3) uint8 RGB; points (5, 2), px of it. Raises: DegenerateFace."""
    grey = _aligned(image, points)
    return Quality(_rounded(_sharpness(grey)), _rounded(_frontality(points)), _rounded(_light(grey)), round(face_px, 1))


def _aligned(image: U8, points: F32) -> U8:
    """The face upright at the judging size, area-averaged when it is much larger."""
    (to_crop,) = similarity_from_points(points[None], TEMPLATES["arcface_112_v2"] * _SIDE_PX)
    shrink = 2 * float(np.hypot(to_crop[0, 0], to_crop[1, 0]))  # to twice the size: sampling the last half keeps detail
    if shrink < 1:
        size = max(1, round(image.shape[1] * shrink)), max(1, round(image.shape[0] * shrink))
        ratio = np.array([size[0] / image.shape[1], size[1] / image.shape[0]], np.float32)
        image, points = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), points * ratio
        (to_crop,) = similarity_from_points(points[None], TEMPLATES["arcface_112_v2"] * _SIDE_PX)
    crop = cv2.warpAffine(image, to_crop, (_SIDE_PX, _SIDE_PX), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.uint8)


def _sharpness(grey: U8) -> float:
    """A ratio of two bands, so that contrast and light do not count."""
    face = grey.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(face, (0, 0), sigma) for sigma in (_FINE_PX, _COARSE_PX))
    detail = max(0.0, float((face - fine).var()) - _ROUNDING) ** 0.5 / max(float((fine - coarse).std()), 1e-3)
    return (detail - _NO_DETAIL) / (_FULL_DETAIL - _NO_DETAIL)


def _frontality(points: F32) -> float:
    """From where the nose lies between eyes and mouth: sideways when the head turns, up or down when it nods."""
    left, right, nose = points[:3]
    eyes, mouth = (left + right) / 2, (points[3] + points[4]) / 2
    distance = max(float(np.linalg.norm(right - left)), 1e-3)
    across = (right - left) / distance
    down = np.array([-across[1], across[0]], np.float32)
    turn = float((nose - eyes) @ across) / distance
    nod = float((nose - eyes) @ down) / max(float((mouth - eyes) @ down), 1e-3) - _NOSE_HEIGHT
    return float(np.exp(-((turn / _TURN) ** 2) - (nod / _NOD) ** 2))


def _light(grey: U8) -> float:
    """1 for a face of middling brightness without black or burnt parts."""
    mean = float(grey.mean())
    level = float(np.interp(mean, (_DARK, _LIT, _BRIGHT, _WHITE), (0, 1, 1, 0)))
    lost = float(((grey < _DARK) | (grey > _WHITE)).mean())
    return level * (1 - lost)


def _rounded(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 4)
