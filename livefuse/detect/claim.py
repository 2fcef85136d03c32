"""Who wears which part: every reference photo claims the face that resembles it most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.detect.assign import assign
from livefuse.detect.seat import PATIENCE_FRAMES
from livefuse.frame import F32

_BEATS = 0.08
_LOST = 0.1
_NOBODY = 1e-6  # a reference rather has a face that is just enough than none
_NEVER = 1e3  # costs more than leaving every reference without a face


class Claims:
    """One-to-one assignment of references to faces, with hysteresis.

    A claim is made from a cosine of `least` on. It is kept until the cosine falls 0.1 below, or the whole assignment is
    better by 0.08 with another face, for PATIENCE_FRAMES.
    Shapes: references (R, D) unit vectors; row i is worn as `roles[i]`.
    """

    def __init__(self, references: F32, roles: Sequence[int], least: float) -> None:
        self.references = references
        self._roles, self._least = tuple(roles), least
        self._held: dict[int, int] = {}
        self._other_frames: dict[int, int] = {}

    @property
    def holders(self) -> tuple[int, ...]:
        """Ids of the tracks that wear a part."""
        return tuple(self._held.values())

    def update(self, ids: Sequence[int], similarity: F32) -> dict[int, int]:
        """Role by id. Shapes: similarity (len(ids), R), NaN for a face that has not been looked at."""
        self._held = {row: track for row, track in self._held.items() if track in ids}
        wanted = self._best(ids, similarity)
        for row, track in wanted.items():
            if row not in self._held and track not in self._held.values():
                self._held[row] = track
        disagree = [row for row, track in self._held.items() if wanted.get(row) != track]
        self._other_frames = {row: self._other_frames.get(row, 0) + 1 for row in disagree}
        if any(frames >= PATIENCE_FRAMES for frames in self._other_frames.values()):
            self._held, self._other_frames = wanted, {}
        return {track: self._roles[row] for row, track in self._held.items()}

    def _best(self, ids: Sequence[int], similarity: F32) -> dict[int, int]:
        """The assignment of greatest total cosine; a reference that nobody resembles stays free.

        Each reference may also take a column of its own that costs what the least likeness does, so that a good match is
        not given up for two poor ones.
        """
        if not len(ids):
            return {}
        rows, cols = len(self.references), len(ids)
        cosine = similarity.T.astype(np.float64)
        held = np.zeros((rows, cols), np.bool_)
        for row, track in self._held.items():
            held[row, list(ids).index(track)] = True
        enough = cosine >= np.where(held, self._least - _LOST, self._least)
        # a held claim below `least` still counts as just enough: it is given up for a rival, not for nobody
        worth = np.where(held, np.maximum(cosine + _BEATS, self._least), cosine)
        cost = np.full((rows, cols + rows), _NEVER)
        cost[:, :cols] = np.where(enough, 2.0 - worth, _NEVER)
        cost[np.arange(rows), cols + np.arange(rows)] = 2.0 - self._least + _NOBODY
        return {row: ids[col] for row, col in assign(cost) if col < cols}
