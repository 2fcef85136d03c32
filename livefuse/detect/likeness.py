"""Who is who among the followed faces: each is looked at by a recogniser when something may have changed, and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from livefuse.detect.trajectory import Trajectory
from livefuse.device.base import Lane, Picture
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, Faces

SOMEBODY_ELSE = 0.25
"""Cosine below which a look disagrees with what is remembered. One look at a small turned face is that far off by chance
about once in twenty, so that only several in a row part a track from its id."""

_NOTHING_LIKE = 0.12  # where the view is poor: a profile of the same person is about that far off, hair is further
_ALIKE = 0.4  # a look that agrees less is not learned from until others have settled what it was
_DOUBTS = 4
_AGAIN_NS, _SOON_NS = 700_000_000, 150_000_000
_SURE = 3.0  # good views; a memory of fewer doubts itself, and its looks follow each other quickly
_MEMORY_LOOKS = 8.0
_POOR = 0.3  # what a view counts for that is small, turned away or uncertain
_WAIT_FRAMES = 10  # a new face has that long to show a good view before a poor one is taken
_LEAST_PX, _GOOD_PX, _GOOD_SCORE = 16.0, 40.0, 0.6
_LEAST_EYES, _MOST_YAW, _NOSE = 0.45, 0.3, (0.3, 0.75)


class Recogniser(Protocol):
    """Embeds faces."""

    def embed(self, lane: Lane, picture: Picture, points: F32) -> F32:
        """Shapes: points (N, 5, 2), frame px -> (N, D) unit vectors. Raises: DegenerateFace."""
        ...


@dataclass(slots=True)
class _Memory:
    """What one track looked like. Shapes: mean (D,) unit vector."""

    mean: F32
    weight: float
    seen_ns: int
    doubts: list[tuple[float, F32]] = field(default_factory=list)

    def due(self, t_ns: int) -> bool:
        wait_ns = _SOON_NS if self.weight < _SURE else _AGAIN_NS
        return bool(self.doubts) or t_ns - self.seen_ns >= wait_ns

    def learn(self, embedding: F32, weight: float) -> None:
        self.mean = _unit(self.mean * self.weight + embedding * weight)
        self.weight = min(self.weight + weight, _MEMORY_LOOKS)


class Likeness:
    """Remembers an embedding per track and compares it.

    A face is looked at once it is confirmed, then every 0.7 s while it is large, frontal and certain, and at once after
    its geometry jumped; never more than one look a frame, so that a crowd costs what one face does (7 ms), except where
    every new face must be known in its first frame.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._memory: dict[int, _Memory] = {}
        self._lane: Lane | None = None
        self._picture: Picture | None = None
        self._looked = False
        self._t_ns = 0

    def begin(self, lane: Lane, picture: Picture, t_ns: int) -> None:
        """A new frame: there is one look again."""
        if t_ns < self._t_ns:
            self._memory.clear()  # the source started anew, and the tracker with it
        self._lane, self._picture, self._t_ns, self._looked = lane, picture, t_ns, False

    def similarity(self, ids: Sequence[int], references: F32) -> F32:
        """Cosine of each track to each reference, NaN for a track that has not been looked at yet.

        Shapes: references (R, D) -> (len(ids), R).
        """
        cosine = np.full((len(ids), len(references)), np.nan, np.float32)
        for row, track in enumerate(ids):
            if track in self._memory:
                cosine[row] = references @ self._memory[track].mean
        return cosine

    def verify(self, track: int, found: Faces, index: int) -> bool:
        """Whether a detection may be this track's, which was lost or would jump. Says yes where it cannot tell."""
        memory = self._memory.get(track)
        if memory is None or memory.weight < _SURE or self._looked:
            return True
        embedding = self._embed(found.points[index])
        if embedding is None:
            return True
        good = good_view(found.points[index], float(found.scores[index]))
        agrees = float(memory.mean @ embedding) >= (SOMEBODY_ELSE if good else _NOTHING_LIKE)
        if agrees and good:
            self._note(memory, embedding, 1.0)
        return agrees

    def look(self, tracks: Sequence[Trajectory], *, all_new: bool = False) -> list[int]:
        """Look at the face that needs it most, at all new ones if `all_new`. Returns ids that now show somebody else."""
        self._memory = {track.id: self._memory[track.id] for track in tracks if track.id in self._memory}
        seen = [track for track in tracks if track.confirmed and not track.away and track.missed == 0]
        if all_new:
            for track in [track for track in seen if track.id not in self._memory]:
                self._look_at(track)
        asking = [(urgency, track) for track in seen if (urgency := self._urgency(track)) > 0]
        for _, track in sorted(asking, key=lambda pair: -pair[0]):
            if self._looked:
                break
            if self._look_at(track):
                return [track.id]
        return []

    def part(self, track: int, successor: int) -> None:
        """The face that `track` has shown lately belongs to `successor`; `track` keeps what it looked like before."""
        memory = self._memory[track]
        doubted = _unit(np.sum([embedding for _, embedding in memory.doubts], axis=0))
        self._memory[successor] = _Memory(doubted, float(len(memory.doubts)), self._t_ns)
        memory.doubts = []

    def _urgency(self, track: Trajectory) -> float:
        """0 for no need; new faces come first, then doubtful ones, then those longest unseen."""
        memory = self._memory.get(track.id)
        good = good_view(track.points, track.score)
        if memory is None:
            waited = track.age >= _WAIT_FRAMES
            return 1e6 + track.size if track.size >= _LEAST_PX and (good or waited) else 0.0
        if not good or not (track.jumped or memory.due(self._t_ns)):
            return 0.0
        unsettled = bool(memory.doubts) or track.jumped
        return (1e3 if unsettled else 0.0) + (self._t_ns - memory.seen_ns) / 1e9 + 1e-3

    def _look_at(self, track: Trajectory) -> bool:
        """Whether the track shows somebody else by now."""
        embedding = self._embed(track.points)
        if embedding is None:
            return False
        weight = 1.0 if good_view(track.points, track.score) else _POOR
        memory = self._memory.get(track.id)
        if memory is None:
            self._memory[track.id] = _Memory(embedding, weight, self._t_ns)
            return False
        return self._note(memory, embedding, weight)

    def _note(self, memory: _Memory, embedding: F32, weight: float) -> bool:
        """Take a look into memory. Looks that disagree wait until there are enough of them: a face that turned away and
        came back leaves no trace, one that changed for good is somebody else, or has changed by itself."""
        memory.seen_ns = self._t_ns
        cosine = float(memory.mean @ embedding)
        if cosine >= _ALIKE or memory.weight < _SURE:
            memory.doubts = []
            memory.learn(embedding, weight)
            return False
        memory.doubts.append((cosine, embedding))
        if len(memory.doubts) < _DOUBTS:
            return False
        if np.mean([doubt for doubt, _ in memory.doubts]) < SOMEBODY_ELSE:
            return True
        for _, doubted in memory.doubts:
            memory.learn(doubted, _POOR)
        memory.doubts = []
        return False

    def _embed(self, points: npt.NDArray[np.floating]) -> F32 | None:
        """Unit vector (D,), None where the points make no face."""
        if self._lane is None or self._picture is None:
            return None
        try:
            embedding = self._recogniser.embed(self._lane, self._picture, np.asarray(points, np.float32)[None])[0]
        except DegenerateFace:  # costs nothing, so that another face may be looked at
            return None
        self._looked = True
        return embedding if bool(np.isfinite(embedding).all()) else None


def good_view(points: npt.NDArray[np.floating], score: float) -> bool:
    """Whether a face is large, frontal and certain enough for its embedding to be trusted. Shapes: (5, 2), frame px."""
    left, right, nose, mouth_left, mouth_right = np.asarray(points, np.float64)
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    height_px = float(np.hypot(*(mouth - eyes)))
    if score < _GOOD_SCORE or height_px < 0.4 * _GOOD_PX:
        return False
    to_left, to_right = float(np.hypot(*(nose - left))), float(np.hypot(*(nose - right)))
    yaw = (to_right - to_left) / max(to_right + to_left, 1e-6)
    along = float((nose - eyes) @ (mouth - eyes)) / height_px**2
    apart = float(np.hypot(*(right - left))) / height_px
    return apart >= _LEAST_EYES and abs(yaw) <= _MOST_YAW and _NOSE[0] <= along <= _NOSE[1]


def _unit(vector: npt.NDArray[np.floating]) -> F32:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)
