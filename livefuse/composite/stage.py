"""Hop 6: crops go back into the picture, what must not be seen is covered, overlay and badge come last."""

from __future__ import annotations

import numpy as np

from livefuse.composite.privacy import Box, Decision, Verdict, decide
from livefuse.config import PrivacyConfig
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import inverted
from livefuse.frame import U8, Crop, Crops, Faces
from livefuse.swap.base import Paste

# So few values per head, or per picture with a head filling it, tell nobody apart; they still show that somebody is there.
_FACE_CELLS = 6
_PICTURE_CELLS = 12

Bitmap = tuple[U8, int, int]
"""RGBA and the place of its top-left corner."""


class Composite:
    """Paste, cover, draw."""

    def __init__(self, backend: Backend, privacy: PrivacyConfig) -> None:
        self._backend = backend
        self.privacy = privacy

    def __call__(
        self, lane: Lane, picture: Picture, faces: Faces, crops: Crops, paste: Paste, *, failed: bool
    ) -> Verdict:
        """`paste` is how crops go back."""
        decision = decide(self.privacy, faces, crops, failed=failed)
        self._cover(lane, picture, decision)
        if not decision.whole:
            for crop in crops:
                if crop.swapped and crop.mask is not None:
                    paste(lane, picture, crop)
            for box in decision.strangers:
                # a crop as wide as a box may bring a neighbour's face back that was covered before it
                if any(crop.swapped and reaches(crop, box) for crop in crops):
                    self._backend.cover(lane, picture, box, _FACE_CELLS)
        return decision.verdict

    def mark(self, lane: Lane, picture: Picture, bitmaps: list[Bitmap]) -> None:
        """Draw the overlay and, as the last writer of pixels, the badge."""
        for rgba, x, y in bitmaps:
            self._backend.draw(lane, picture, rgba, x, y)

    def _cover(self, lane: Lane, picture: Picture, decision: Decision) -> None:
        if decision.whole:
            self._backend.cover(lane, picture, None, _PICTURE_CELLS)
            return
        for box in decision.boxes:
            self._backend.cover(lane, picture, box, _FACE_CELLS)


def reaches(crop: Crop, box: Box) -> bool:
    """Whether any part of a crop lies over a box of the frame."""
    height, width = crop.image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    to_frame = inverted(crop.to_crop)
    places = corners @ to_frame[:, :2].T + to_frame[:, 2]
    (left, top), (right, bottom) = places.min(axis=0), places.max(axis=0)
    return bool(left < box[2] and right > box[0] and top < box[3] and bottom > box[1])
