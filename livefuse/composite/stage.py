"""Hop 6: crops go back into the picture, what must not be seen is covered, overlay and badge come last."""

from __future__ import annotations

from livefuse.composite.privacy import Decision, Verdict, decide
from livefuse.config import PrivacyConfig
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import U8, Crops, Faces
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
