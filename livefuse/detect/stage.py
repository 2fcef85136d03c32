"""The detection stage: detector and tracker."""

from __future__ import annotations

from typing import Protocol

from livefuse.detect.track import Tracker
from livefuse.device.base import Lane, Picture
from livefuse.frame import Faces


class Detector(Protocol):
    """Finds the faces of one picture; keeps nothing between pictures."""

    def __call__(self, lane: Lane, picture: Picture) -> Faces: ...


class Detect:
    """Runs the detector on every n-th picture; the tracker names the faces and predicts between."""

    def __init__(self, detector: Detector, tracker: Tracker, every: int = 1) -> None:
        self._detector, self._tracker, self._every = detector, tracker, every
        self._count = 0

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        due = self._count % self._every == 0
        self._count += 1
        found = self._detector(lane, picture) if due else None
        return self._tracker.update(found, t_ns, picture.width, picture.height)
