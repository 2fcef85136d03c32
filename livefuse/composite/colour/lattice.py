"""Faces seen coarsely, on a square lattice that stays put on the face: what colours are measured on.

A template crop is upright already: its lattice is the crop itself. A crop of a region of the frame has a lattice in the
face's own axes, about as large as a template's, so that what is smoothed over time moves with the face.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.frame import F32, U8, Crop
from livefuse.swap.mesh.topology import face_frame

CELLS = 32
FIELD_CELLS = 16
"""Light is smooth: its field has every other cell."""

# A template's square in face units: its side, and where the middle between the eyes lies in it.
_SIDE_UNITS, _EYES_X, _EYES_Y = 3.15, 0.5, 0.403


class Place(NamedTuple):
    """Where a face's lattice lies: `to_crop` (2, 3) carries cell indices to crop px; `cell_px` is a cell's side."""

    to_crop: F32
    cell_px: float

    @property
    def is_upright(self) -> bool:
        return bool(self.to_crop[0, 1] == 0 and self.to_crop[1, 0] == 0)

    def cells_of(self, points: F32) -> F32:
        """Crop px to cell indices. Shapes: (n, 2) -> (n, 2)."""
        (a, b, x), (c, d, y) = self.to_crop.tolist()
        inverse = np.array([[d, -c], [-b, a]], np.float32) / np.float32(a * d - b * c)  # transposed, for rows of points
        return np.asarray((points - (x, y)) @ inverse, np.float32)


def of_template(crop: Crop) -> Place:
    """The whole crop, which its cut has aligned."""
    side = crop.image.shape[0] / CELLS
    shift = (side - 1) / 2
    return Place(np.array([[side, 0, shift], [0, side, shift]], np.float32), side)


def of_face(crop: Crop) -> Place:
    """By the face's landmarks. Raises: DegenerateFace."""
    frame = face_frame(crop.landmarks)
    cell = _SIDE_UNITS / CELLS
    left, top = (0.5 * cell - _SIDE_UNITS * share for share in (_EYES_X, _EYES_Y))
    cells = np.array([[cell, 0, left], [0, cell, top], [0, 0, 1]], np.float32)
    return Place(np.asarray(frame.matrix() @ cells, np.float32), cell * frame.unit_px)


def sampled(image: U8, place: Place, border: int = cv2.BORDER_REPLICATE) -> U8:
    """The image's averages in the lattice's cells. Shapes: image (h, w) or (h, w, 3) -> (CELLS, CELLS[, 3])."""
    # Halved again and again: averaging two by two is many times as fast as over any other number.
    step = 1
    while place.cell_px >= 2 * step and min(image.shape[:2]) > 1:
        height, width = (size // 2 for size in image.shape[:2])
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        step *= 2
    if image.shape[:2] == (CELLS, CELLS) and place.is_upright and step == place.cell_px:
        return image
    shrunk = place.to_crop / np.float32(step)
    shrunk[:, 2] += 0.5 / step - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, shrunk, (CELLS, CELLS), flags=flags, borderMode=border), np.uint8)
