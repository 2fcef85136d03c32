"""Landmark layouts: how others number what livefuse numbers as OpenSeeFace's 66 points.

iBUG-68 (dlib, FAN) is the common tongue: 66 is 68 without the outer corners of the mouth, the rest are mapped onto 68.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32

_OUTER_CORNERS = (48, 54)
FROM_68 = np.delete(np.arange(68), _OUTER_CORNERS)

# fmt: off
FROM_106 = np.array([
    1, 10, 12, 14, 16, 3, 5, 7, 0, 23, 21, 19, 32, 30, 28, 26, 17,
    43, 48, 49, 51, 50, 102, 103, 104, 105, 101,
    72, 73, 74, 86, 78, 79, 80, 85, 84,
    35, 41, 42, 39, 37, 36, 89, 95, 96, 93, 91, 90,
    52, 64, 63, 71, 67, 68, 61, 58, 59, 53, 56, 55, 65, 66, 62, 70, 69, 57, 60, 54,
])
"""Where each of the 68 is among insightface's 106 (`2d106det`)."""

FROM_468 = np.array([
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    6, 195, 4, 1, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 81, 13, 311, 308, 402, 14, 178,
])
"""Where each of the 68 is among FaceMesh's 468.

Of the tables in circulation, point by point the vertex of MediaPipe's canonical face model that lies nearest the mean of
28 frontal faces placed by OpenSeeFace: within 0.13 eye distances everywhere, 0.04 at the eyes.
"""
# fmt: on


def from_68(landmarks: npt.NDArray[np.floating]) -> F32:
    """Shapes: (..., 68, C) -> (..., 66, C)."""
    return np.asarray(landmarks[..., FROM_68, :], np.float32)


def from_106(landmarks: npt.NDArray[np.floating]) -> F32:
    """Shapes: (..., 106, C) -> (..., 66, C)."""
    return from_68(landmarks[..., FROM_106, :])


def from_468(landmarks: npt.NDArray[np.floating]) -> F32:
    """Shapes: (..., 468, C) -> (..., 66, C)."""
    return from_68(landmarks[..., FROM_468, :])
