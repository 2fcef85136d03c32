"""Whether a face can be seen well enough to hang a photo on it.

In profile half of the landmarks are guesses, and a photo drawn through them is a swirl. How far the landmarks are from any
affine view of a frontal face tells: up to 0.22 of the scale for faces up to a three-quarter view, whatever their expression;
from 0.33 for profiles (measured on a street clip, a talking head and three paintings).
"""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32

_LEAVE, _RETURN = 0.30, 0.25


class FrontalFit:
    """Affine least squares from a frontal layout, (66, 2), to landmarks; the inverse is computed once."""

    def __init__(self, layout: F32) -> None:
        self._design = np.column_stack((layout - layout.mean(0), np.ones(len(layout)))).astype(np.float32)
        self._inverse = np.linalg.pinv(self._design.astype(np.float64)).astype(np.float32)

    def residual(self, landmarks: F32) -> float:
        """Root mean square distance from the best affine view, over that view's larger scale times the layout's size."""
        view = self._inverse @ landmarks
        away = self._design @ view - landmarks
        linear = view[:2]
        # Larger singular value of a 2x2 matrix, in closed form.
        squares, area = float((linear * linear).sum()), float(linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0])
        scale = np.sqrt((squares + np.sqrt(max(squares * squares - 4 * area * area, 0.0))) / 2)
        return float(np.sqrt((away * away).sum(1).mean()) / max(scale, 1e-6))


def is_profile(residual: float, was_profile: bool) -> bool:
    """With hysteresis, so that a face at the limit does not flicker. `residual` is in units of the layout."""
    return residual > (_RETURN if was_profile else _LEAVE)
