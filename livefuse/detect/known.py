"""A detector that is told: the synthetic source knows its faces, so a demo runs where no model has been fetched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.errors import BadValue
from livefuse.frame import Faces


class KnownFaces:
    """Reads boxes and points from the picture's truth. Raises: BadValue for a picture that has none."""

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        """What a real detector would do ahead takes no time here."""
        return lambda: self(lane, picture)

    def __call__(self, lane: Lane, picture: Picture) -> Faces:
        truth = picture.truth
        if truth is None:
            raise BadValue(
                "detect.model = 'known' on a source whose faces are not known",
                hint="only `synthetic:` sources know their faces; use detect.model = 'yunet'",
            )
        return Faces.of(truth.boxes, np.ones(len(truth.boxes)), truth.points)
