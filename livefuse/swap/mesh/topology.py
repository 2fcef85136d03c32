"""Which landmark is what, and the control points that the warp hangs on.

The 66 landmarks are OpenSeeFace's: iBUG-68 without the outer corners of the mouth (48 and 54 there), so that everything
after 47 is shifted against iBUG-68.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from livefuse.errors import DegenerateFace
from livefuse.frame import F32

JAW = slice(0, 17)
BROW_LEFT, BROW_RIGHT = slice(17, 22), slice(22, 27)
BRIDGE, NOSTRILS = slice(27, 31), slice(31, 36)
NOSE_BASE = 33
EYE_LEFT, EYE_RIGHT = slice(36, 42), slice(42, 48)
UPPER_LIP, LOWER_LIP = slice(48, 53), slice(53, 58)  # outer edges; the lower one from image-right to image-left
MOUTH = slice(48, 66)
MOUTH_LEFT, MOUTH_RIGHT = 58, 62
INNER_UPPER, INNER_LOWER = slice(59, 62), slice(63, 66)
INNER_LIPS = slice(58, 66)  # a closed contour
FEATURES = (BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, NOSTRILS, MOUTH)


_LEAST_UNIT_PX = 4.0
# What the outline of a face passes by, from the brow down: end of the brow, outer corner of the eye, corner of the mouth,
# jaw beside the chin; and how far outside of them it runs.
_LEFT_OUTLINE, _RIGHT_OUTLINE = [17, 36, 58, 7], [26, 45, 62, 9]
_OUTLINE_UNITS = 0.08
# Forehead points: fraction of the way from temple to temple, height over the eye line in nose lengths.
_TEMPLES = ((0.0, 0.55), (1.0, 0.55))
_HAIRLINE = ((0.06, 1.05), (0.94, 1.05), (0.28, 1.25), (0.72, 1.25), (0.5, 1.3))
_CROWN = ((0.1, 1.75), (0.9, 1.75), (0.37, 2.0), (0.63, 2.0))
_FOREHEAD = np.array((*_TEMPLES, *_HAIRLINE, *_CROWN), np.float32)
FOREHEAD_POINTS = len(_FOREHEAD)
HAIRLINE = (69, 71, 72, 70, 68)  # from image-right to image-left, closing the jaw line
# For each control point its partner on the other half of the face.
MIRROR = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    + [*range(52, 47, -1), *range(57, 52, -1), 62, 61, 60, 59, 58, 65, 64, 63]
    + [66 + i for i in (1, 0, 3, 2, 5, 4, 6, 8, 7, 10, 9)]
)
# How freely the spline may miss a point (added to the kernel's diagonal). Points of a contour slide along it from
# frame to frame, so they bind loosely; eyes and lips must meet what is kept of the target exactly.
_STIFFNESS = (
    (JAW, 0.03),
    (slice(17, 27), 0.006),
    (slice(27, 36), 0.004),
    (slice(36, 48), 0.0015),
    (slice(48, 66), 0.001),
)


class FaceFrame(NamedTuple):
    """A face's own axes: origin between the eyes, unit vectors to image-right and up the face, and its scale.

    `unit_px` mixes eye distance and nose length, so that neither turning nor nodding shrinks it much;
    `nose_px` is the distance from eye line to nose base.
    """

    origin: F32
    right: F32
    up: F32
    unit_px: float
    nose_px: float

    def moved(self, by: F32) -> FaceFrame:
        """The same axes in an image whose origin lies elsewhere."""
        return self._replace(origin=self.origin + by)

    def matrix(self) -> F32:
        """(2, 3): face units (x right, y down) to image px."""
        return np.column_stack((self.right * self.unit_px, -self.up * self.unit_px, self.origin)).astype(np.float32)


def face_frame(landmarks: F32) -> FaceFrame:
    """Axes from eyes and nose base, which expressions do not move. Raises: DegenerateFace."""
    left, right = landmarks[EYE_LEFT].mean(0), landmarks[EYE_RIGHT].mean(0)
    across = right - left
    width = math.hypot(*across.tolist())
    origin = (left + right) / 2
    axis = across / max(width, 1e-6)
    up = np.array([axis[1], -axis[0]], np.float32)
    nose = float((origin - landmarks[NOSE_BASE]) @ up)
    unit = math.hypot(width, nose)
    if not np.isfinite(landmarks).all() or unit < _LEAST_UNIT_PX or nose < 0.1 * unit:
        raise DegenerateFace(
            f"the landmarks span {unit:.1f} px between eyes and nose",
            hint="a face needs 20 px between the eyes; move closer",
        )
    return FaceFrame(origin, axis, up, unit, nose)


def control_points(landmarks: F32, frame: FaceFrame) -> F32:
    """The landmarks and points on forehead and temples, derived from what expressions do not move.

    Shapes: (66, 2) -> (66 + FOREHEAD_POINTS, 2), px.
    """
    along, height = _FOREHEAD[:, :1], _FOREHEAD[:, 1:]
    landmarks = with_visible_jaw(landmarks, frame)
    half = landmarks[[0, 16]] - frame.origin
    temples = frame.origin + (half @ frame.right)[:, None] * frame.right
    points = temples[0] + along * (temples[1] - temples[0]) + height * frame.nose_px * frame.up
    return np.concatenate((landmarks, points)).astype(np.float32)


def with_visible_jaw(landmarks: F32, frame: FaceFrame) -> F32:
    """The landmarks with no jaw point inside the features.

    On a turned head the landmarks of the far jaw lie where the jaw is, behind the cheek; what is seen there is the face's
    outline, a little outside of the far eye, brow and mouth. The same array when the head is not turned so far.
    """
    place = landmarks - frame.origin
    across, up = place @ frame.right, place @ frame.up
    margin = _OUTLINE_UNITS * frame.unit_px * np.array([1, 1, 1, 0], np.float32)
    moved = None
    for jaw, sign, outline in ((slice(0, 8), -1.0, _LEFT_OUTLINE), (slice(9, 17), 1.0, _RIGHT_OUTLINE)):
        limit = np.interp(-up[jaw], -up[outline], sign * across[outline] + margin)
        missing = limit - sign * across[jaw]
        if missing.max() > 0:
            moved = landmarks.copy() if moved is None else moved
            moved[jaw] += (np.maximum(missing, 0) * sign)[:, None] * frame.right
    return landmarks if moved is None else moved


def stiffness() -> F32:
    """Per control point, the smoothing of the spline there."""
    values = np.full(66 + FOREHEAD_POINTS, 0.02, np.float32)
    for part, value in _STIFFNESS:
        values[part] = value
    return values
