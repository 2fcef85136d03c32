"""How a face is framed for the landmark network: upright, and as large as in its training pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.align.templates import five_points, similarity_from_points
from livefuse.frame import F32

_RADIUS = 0.28
"""Root mean square distance of the landmarks from their centre, in crop sides.

Measured: under crop errors of 3 px, 2 % and 2 degrees the landmarks scatter by 1.0 % of the eye distance at 0.27 to 0.30,
and by more on either side (1.2 % at 0.24 and at 0.36).
"""
_CENTRE = (0.5, 0.5)
# Where the detector's points fall in the crop of frontal faces framed by their landmarks.
_POINTS = np.array([[0.334, 0.303], [0.666, 0.303], [0.5, 0.508], [0.345, 0.637], [0.655, 0.637]], np.float32)


def frame_points(points: F32, side_px: int) -> F32:
    """The crop of a face that is known by five points only. Shapes: (N, 5, 2) -> (N, 2, 3), frame px -> crop px."""
    return similarity_from_points(points, _POINTS * side_px)


def frame_landmarks(landmarks: F32, side_px: int) -> F32:
    """The crop of a face whose landmarks are known: centred on them all, scaled to their spread, eyes level.

    All 66 points are averaged, so it is steadier than their bounding box. Shapes: (N, 66, 2) -> (N, 2, 3).
    """
    points = landmarks.astype(np.float64)
    centre = points.mean(axis=1)
    radius = np.sqrt(((points - centre[:, None]) ** 2).sum(axis=2).mean(axis=1))
    return _upright(centre, radius, roll(five_points(landmarks)), side_px)


def roll(points: F32) -> npt.NDArray[np.float64]:
    """Angle of the eye line and of the perpendicular from mouth to eyes, averaged; radians. Shapes: (N, 5, 2) -> (N,)."""
    eyes = points[:, 1] - points[:, 0]
    down = (points[:, 3] + points[:, 4]) / 2 - (points[:, 0] + points[:, 1]) / 2
    across = eyes + np.stack((down[:, 1], -down[:, 0]), axis=1)
    return np.arctan2(across[:, 1], across[:, 0]).astype(np.float64)


def _upright(
    centre: npt.NDArray[np.float64], radius: npt.NDArray[np.float64], angle: npt.NDArray[np.float64], side_px: int
) -> F32:
    scale = _RADIUS * side_px / radius
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack((np.stack((cos, sin), axis=1), np.stack((-sin, cos), axis=1)), axis=1)
    shift = np.array(_CENTRE) * side_px - np.einsum("kij,kj->ki", linear, centre)
    return np.concatenate((linear, shift[..., None]), axis=2).astype(np.float32)
