"""Places that are held: whoever has one keeps it until somebody else has been clearly better for a while."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PATIENCE_FRAMES = 10
"""A rival must be better for this many frames in a row."""

_ABREAST = 0.25  # face sizes: closer than this side by side, neither is left of the other


class Seats:
    """The best few of several by some value. A free seat is filled at once; a rival for a held one must be `margin`
    better than the weakest holder for PATIENCE_FRAMES."""

    def __init__(self, margin: float) -> None:
        self._margin = margin
        self._holders: list[int] = []
        self._better: dict[int, int] = {}

    def continue_from(self, previous: Seats) -> None:
        """Begin with another's holders."""
        self._holders = list(previous._holders)

    def update(self, value: Mapping[int, float], seats: int) -> list[int]:
        """Who holds a seat now, of those that have a value."""
        self._holders = [i for i in self._holders if i in value]
        waiting = sorted((i for i in value if i not in self._holders), key=lambda i: -value[i])
        while len(self._holders) > seats:
            self._holders.remove(min(self._holders, key=lambda i: value[i]))
        while waiting and len(self._holders) < seats:
            self._holders.append(waiting.pop(0))
        self._challenge(waiting, value)
        return list(self._holders)

    def _challenge(self, waiting: list[int], value: Mapping[int, float]) -> None:
        if not self._holders:
            return
        weakest = min(self._holders, key=lambda i: value[i])
        better = [i for i in waiting if value[i] > value[weakest] + self._margin]
        self._better = {i: self._better.get(i, 0) + 1 for i in better}
        winner = next((i for i in better if self._better[i] >= PATIENCE_FRAMES), None)
        if winner is not None:
            self._holders[self._holders.index(weakest)] = winner
            self._better = {}


class Place:
    """The n-th from the left, counted from 0; nobody if there are fewer."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._holder: int | None = None
        self._wrong_frames = 0

    def continue_from(self, previous: Place) -> None:
        """Begin with another's holder."""
        self._holder = previous._holder

    def update(self, faces: Mapping[int, tuple[float, float]]) -> int | None:
        """Who holds the place now. `faces` are x of the centre and size, px, by id."""
        if self._holder not in faces:
            self._holder = None
        self._wrong_frames = 0 if self._right(faces) else self._wrong_frames + 1
        if self._holder is None or self._wrong_frames >= PATIENCE_FRAMES:
            order = sorted(faces, key=lambda i: faces[i][0])
            self._holder = order[self._index] if self._index < len(order) else None
            self._wrong_frames = 0
        return self._holder

    def _right(self, faces: Mapping[int, tuple[float, float]]) -> bool:
        """Whether the holder may be the n-th, where those abreast of it count as either side."""
        if self._holder is None:
            return False
        x, size = faces[self._holder]
        others = np.array([faces[i][0] - x for i in faces if i != self._holder])
        left, abreast = int((others < -_ABREAST * size).sum()), int((np.abs(others) <= _ABREAST * size).sum())
        return left <= self._index <= left + abreast
