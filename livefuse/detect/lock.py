"""The identity lock: which one face is swapped when only one is to be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.detect.trajectory import Trajectory

_RIVAL_SIZE = 0.4  # a moving face smaller than this part of a still one is somebody in the background
_STILL_NS = 1_000_000_000  # a locked face that has not moved at all for this long may be a picture on the wall


class IdentityLock:
    """Holds one track's id. It stays while the tracker keeps that track, lost or seen; only then another is chosen.

    A face that has never moved (a painting, a poster) holds the lock on trial: a moving face of similar size takes it.
    A choice among several waits `look_ns` for the best one to show that it is alive.
    """

    def __init__(self, look_ns: int = 700_000_000) -> None:
        self._look_ns = look_ns
        self.holder: int | None = None
        self._since_ns = 0
        self._looking_since_ns: int | None = None

    def continue_from(self, previous: IdentityLock) -> None:
        """Begin with another's holder."""
        self.holder, self._since_ns = previous.holder, previous._since_ns

    def update(self, tracks: Sequence[Trajectory], t_ns: int, width: int, height: int) -> int | None:
        """The id that holds the lock now. `tracks` are all that the tracker knows, lost ones too."""
        held = next((track for track in tracks if track.id == self.holder), None)
        seen = [track for track in tracks if track.confirmed and not track.away]
        if held is None:
            self._take(self._first_choice(seen, tracks, t_ns, width, height), t_ns)
        elif not held.moved and not held.away and t_ns - self._since_ns >= _STILL_NS:
            rivals = [track for track in seen if track.moved and track.size >= _RIVAL_SIZE * held.size]
            if rivals:
                self._take(max(rivals, key=lambda track: prominence(track, width, height)), t_ns)
        return self.holder

    def _take(self, track: Trajectory | None, t_ns: int) -> None:
        self.holder, self._since_ns = (None if track is None else track.id), t_ns

    def _first_choice(
        self, seen: Sequence[Trajectory], tracks: Sequence[Trajectory], t_ns: int, width: int, height: int
    ) -> Trajectory | None:
        if not seen:
            self._looking_since_ns = None
            return None
        best = max(seen, key=lambda track: prominence(track, width, height))
        rivals = [track for track in tracks if track is not best and track.size >= _RIVAL_SIZE * best.size]
        if best.moved or not rivals:
            return best
        if self._looking_since_ns is None:
            self._looking_since_ns = t_ns
        if t_ns - self._looking_since_ns < self._look_ns:
            return None
        moving = [track for track in seen if track.moved and track.size >= _RIVAL_SIZE * best.size]
        return max(moving or [best], key=lambda track: prominence(track, width, height))


def prominence(track: Trajectory, width: int, height: int) -> float:
    """Size in px, halved towards the picture's corners: the largest, most central face is the person meant."""
    offset = (track.centre - np.array([width, height]) / 2) / np.array([width, height]) * 2
    return float(track.size * (1 - 0.5 * min(1.0, float(np.hypot(*offset)) / np.sqrt(2))))
