"""The detection stage: detector and tracker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from livefuse.detect.track import Tracker
from livefuse.device.base import Lane, Picture
from livefuse.frame import Faces


class Detector(Protocol):
    """Finds the faces of one picture; keeps nothing between pictures."""

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        """Start looking; calling what is returned waits for the faces."""
        ...


class Detect:
    """Runs the detector on every n-th picture; the tracker names the faces and predicts between."""

    def __init__(self, detector: Detector, tracker: Tracker, every: int = 1) -> None:
        self._detector, self._tracker, self._every = detector, tracker, every
        self._count = 0
        self._looking: deque[Callable[[], Faces] | None] = deque()

    def begin(self, lane: Lane, picture: Picture) -> None:
        """Start the detector if this picture's turn has come."""
        due = self._count % self._every == 0
        self._count += 1
        looking = None
        try:
            looking = self._detector.begin(lane, picture) if due else None
        finally:  # each picture that was begun is asked for once, also one whose detector failed
            self._looking.append(looking)

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        """The faces of the first picture that was begun and not asked for yet."""
        looking = self._looking.popleft()
        found = looking() if looking is not None else None
        return self._tracker.update(found, t_ns, picture.width, picture.height)
