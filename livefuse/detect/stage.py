"""The detection stage: detector and tracker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from livefuse.detect.choose import Chooser
from livefuse.detect.track import Tracker
from livefuse.device.base import Lane, Picture
from livefuse.frame import Faces


class Detector(Protocol):
    """Finds the faces of one picture; keeps nothing between pictures."""

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        """Start looking; calling what is returned waits for the faces."""
        ...


class Detect:
    """Runs the detector on every n-th picture; the tracker names the faces and predicts between. `every` is that n, and may be
    changed between two pictures.

    Where the tracker's chooser has a likeness, one face of each picture at most is looked at between following and
    choosing, here, because the picture is at hand here.
    """

    def __init__(self, detector: Detector, tracker: Tracker, every: int = 1) -> None:
        self.detector, self.every = detector, every
        self._tracker = tracker
        self._count = 0
        self._looking: deque[Callable[[], Faces] | None] = deque()

    def begin(self, lane: Lane, picture: Picture) -> None:
        """Start the detector if this picture's turn has come."""
        due = self._count % self.every == 0
        self._count += 1
        looking = None
        try:
            looking = self.detector.begin(lane, picture) if due else None
        finally:  # each picture that was begun is asked for once, also one whose detector failed
            self._looking.append(looking)

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        """The faces of the first picture that was begun and not asked for yet."""
        looking = self._looking.popleft()
        found = looking() if looking is not None else None
        likeness = self._tracker.chooser.likeness
        if likeness is not None:
            likeness.begin(lane, picture, t_ns)
        self._tracker.follow(found, t_ns)
        if likeness is not None:
            for stranger in likeness.look(self._tracker.tracks, all_new=self._tracker.chooser.at_once):
                likeness.part(stranger, self._tracker.part(stranger))
        return self._tracker.choose(t_ns, picture.width, picture.height)

    def choose(self, chooser: Chooser) -> None:
        """Choose by another rule from the next picture on; ids stay. Call it between two pictures."""
        self._tracker.choose_by(chooser)

    def restart(self) -> None:
        """The next picture has nothing to do with the last: every face in it is new."""
        self._tracker.restart()
        self._count = 0
