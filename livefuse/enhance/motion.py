"""How a face has moved and bent since a network looked at it: a smooth map from now to then.

The alignment takes the head's motion in the picture; what is left, expression and turning, is the displacement of the
landmarks inside of the aligned crop, spread by a thin-plate spline that is loose enough not to follow their noise.
"""

from __future__ import annotations

import numpy as np

from livefuse.device.planes import Affine
from livefuse.errors import DegenerateFace
from livefuse.frame import F32
from livefuse.swap.mesh import topology, warp
from livefuse.swap.mesh.warp import PAD, Lattice

_FACES = 3.0  # about so many faces fit side by side into an enhancer's crop: the spline wants a face to be 1 large
_LOOSENESS = 30.0
_CELLS = 26


def controls_of(landmarks: F32) -> F32 | None:
    """What the spline hangs on. Shapes: landmarks (66, 2) or no rows -> (n, 2), same px; None where they are no face."""
    if not len(landmarks):
        return None
    try:
        return topology.control_points(landmarks, topology.face_frame(landmarks))
    except DegenerateFace:
        return None


class Motion:
    """Fits maps; keeps the spline's memory."""

    def __init__(self, side: int) -> None:
        """`side` of the network's input, px."""
        self._side = side
        self._spline = warp.Spline(topology.stiffness())

    def map(self, size: tuple[int, int], to_input: Affine, now: F32 | None, then: F32 | None) -> Lattice:
        """From an image of `size` (w, h) to where the network saw the same part of the face, in px of its input.

        Shapes: to_input (2, 3), px of the image -> px of the network's input, as it would be now; now, then (n, 2),
        controls in px of the input. Where either is None, or both are the same array, the alignment is all.
        """
        cells, (rows, columns) = _cell_centres(size)
        there = np.asarray(cells @ to_input[:, :2].T + to_input[:, 2], np.float32)
        if now is not None and then is not None and now is not then:
            scale = np.float32(_FACES / self._side)
            centres, moved = now * scale, (then - now) * scale
            coefficients = self._spline.fit(centres, moved, _LOOSENESS)
            there += warp.evaluate(coefficients, centres, there * scale) / scale
        return Lattice(there.reshape(rows, columns, 2), size)


def _cell_centres(size: tuple[int, int]) -> tuple[F32, tuple[int, int]]:
    """Shapes: (m, 2) px, and the padded lattice's rows and columns."""
    cell = max(size) / _CELLS
    counts = [max(4, round(length / cell)) for length in size]
    xs, ys = (
        (np.arange(-PAD, count + PAD, dtype=np.float32) + np.float32(0.5)) * np.float32(length / count)
        - np.float32(0.5)
        for count, length in zip(counts, size, strict=True)
    )
    points = np.empty((len(ys), len(xs), 2), np.float32)
    points[..., 0], points[..., 1] = xs, ys[:, None]
    return points.reshape(-1, 2), (len(ys), len(xs))
