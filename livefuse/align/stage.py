"""The alignment stage: landmarks of the chosen faces, and one crop for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from livefuse.align.cut import Cut, Face
from livefuse.align.smooth import Smoother
from livefuse.align.templates import five_points
from livefuse.config import TrackConfig
from livefuse.device.base import Lane, Picture
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, Crops, Faces

_ACCEPT, _REFUSE = 0.50, 0.40
"""Mean confidence of landmarks. Measured: faces 0.7 to 0.87, small or turned ones from 0.45; no face 0.37 (median)."""

_BOTH = 1.25
"""Least sum of landmark confidence and detector score for a new face. Curly hair reached 0.65 and 0.55, one witness weak
while the other was not strong; faces that are worth swapping pass in some frame.
"""
_MIN_RUN_FRAMES = 5
_AGREE = 0.6  # eye distances that the previous landmarks may be off the tracker's points
_FORGET_FRAMES = 30
_NO_LANDMARKS = np.empty((0, 2), np.float32)


class Landmarker(Protocol):
    """Places landmarks on faces. `looks_ahead` is False where it goes by the detector's points alone."""

    looks_ahead: bool

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        """Shapes: points (N, 5, 2), previous (N, 66, 2) or None -> landmarks (N, 66, 2), confidence (N, 66)."""
        ...

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        """Start on faces whose landmarks are about known; calling what is returned waits for landmarks and confidence."""
        ...


@dataclass(slots=True)
class _Memory:
    """What is known of one track: its last landmarks, and whether it looked like a face."""

    landmarks: F32
    is_face: bool
    run: int = 0
    unseen: int = 0

    def judge(self, confidence: float, *, accepted: bool) -> bool:
        """Hysteresis in level and in time: no verdict lasts shorter than it takes to be seen as flicker.

        `accepted` is what it takes to become a face, `_REFUSE` what it takes to remain one.
        """
        verdict = confidence >= _REFUSE if self.is_face else accepted
        if verdict != self.is_face and self.run >= _MIN_RUN_FRAMES:
            self.is_face, self.run = verdict, 0
        self.run += 1
        return self.is_face


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Landmarks being placed on the faces of the frame before, in the frame that the detector is looking at."""

    tracks: list[int]
    placed: Callable[[], tuple[F32, F32]]


class Align:
    """Gives each chosen face its landmarks and has it cut out of the frame.

    A followed face is framed by its own landmarks in the frame before, not by the detector. So `begin` starts the network
    on them while the detector runs; the result is used where the detector then agrees, which
    gives the same landmarks as asking afterwards would.
    A face whose landmarks say that it is none gets no crop: what happens to it then is the privacy cover's matter.
    """

    def __init__(self, landmarker: Landmarker, track: TrackConfig) -> None:
        self._landmarker = landmarker
        self._smoother = Smoother() if track.smooth else None
        self._memory: dict[int, _Memory] = {}
        self._ahead: _Ahead | None = None

    def begin(self, lane: Lane, picture: Picture) -> None:
        """Start on the faces of the frame before."""
        self._settle()
        if not self._landmarker.looks_ahead:
            return
        followed = {
            track: memory.landmarks for track, memory in self._memory.items() if memory.is_face and not memory.unseen
        }
        if followed:
            placed = self._landmarker.begin(lane, picture, np.stack(list(followed.values())))
            self._ahead = _Ahead(list(followed), placed)

    def _settle(self) -> dict[int, tuple[F32, F32]]:
        """What was begun, now done, by track: its network must not outlive the frame whose buffers it uses."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return {}
        landmarks, confidence = ahead.placed()
        return {track: (landmarks[i], confidence[i]) for i, track in enumerate(ahead.tracks)}

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int, cut: Cut) -> Crops:
        ahead = self._settle()
        chosen = np.flatnonzero(faces.chosen)
        self._forget()
        if not len(chosen):
            return []
        ids = [int(i) for i in faces.ids[chosen]]
        points = faces.points[chosen]
        landmarks, confidence = self._place(lane, picture, ids, points, ahead)
        wanted = []
        for i, track in enumerate(ids):
            # A track that the detector does not see now may be about to end: it does not begin a face.
            score = float(faces.scores[chosen[i]]) if faces.missed[chosen[i]] == 0 else 0.0
            steady = self._follow(track, landmarks[i], confidence[i], score, t_ns)
            if steady is not None:
                wanted.append(Face(track, points[i], steady, int(faces.roles[chosen[i]])))
        return cut_all(lane, picture, wanted, cut)

    def _place(
        self,
        lane: Lane,
        picture: Picture,
        ids: list[int],
        points: F32,
        ahead: dict[int, tuple[F32, F32]],
    ) -> tuple[F32, F32]:
        """Landmarks (N, 66, 2) and confidence (N, 66): begun ahead where the detector agrees, else placed now."""
        previous = self._previous(ids, points)
        landmarks, confidence = np.empty((len(ids), 66, 2), np.float32), np.empty((len(ids), 66), np.float32)
        rest = []
        for i, track in enumerate(ids):
            if track in ahead and np.isfinite(previous[i, 0, 0]):
                landmarks[i], confidence[i] = ahead[track]
            else:
                rest.append(i)
        if rest:
            landmarks[rest], confidence[rest] = self._landmarker(lane, picture, points[rest], previous[rest])
        return landmarks, confidence

    def _previous(self, ids: list[int], points: F32) -> F32:
        previous = np.full((len(ids), 66, 2), np.nan, np.float32)
        for i, track in enumerate(ids):
            memory = self._memory.get(track)
            if memory is not None and memory.is_face and agrees(memory.landmarks, points[i]):
                previous[i] = memory.landmarks
        return previous

    def _follow(self, track: int, landmarks: F32, confidence: F32, score: float, t_ns: int) -> F32 | None:
        """Steady landmarks, or None where there is no face."""
        level = float(confidence.mean())
        accepted = score > 0 and level >= _ACCEPT and level + score >= _BOTH
        memory = self._memory.get(track)
        if memory is None:
            memory = self._memory[track] = _Memory(landmarks, accepted)
        memory.unseen = 0
        is_face = memory.judge(level, accepted=accepted)
        if level >= _REFUSE:  # below it the landmarks mean nothing: the last good ones stay for the frames of doubt
            if self._smoother is not None:
                landmarks = self._smoother(track, landmarks, confidence, t_ns)
            memory.landmarks = landmarks
        return memory.landmarks if is_face else None

    def _forget(self) -> None:
        for track in list(self._memory):
            self._memory[track].unseen += 1
            if self._memory[track].unseen > _FORGET_FRAMES:
                del self._memory[track]
        if self._smoother is not None:
            self._smoother.keep(self._memory)


class AlignByPoints:
    """For swappers that need no landmarks: faces are cut by the detector's five points."""

    def begin(self, lane: Lane, picture: Picture) -> None:
        """Nothing to do ahead."""

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int, cut: Cut) -> Crops:
        wanted = [
            Face(int(faces.ids[i]), faces.points[i], _NO_LANDMARKS, int(faces.roles[i]))
            for i in np.flatnonzero(faces.chosen)
        ]
        return cut_all(lane, picture, wanted, cut)


def cut_all(lane: Lane, picture: Picture, faces: Sequence[Face], cut: Cut) -> Crops:
    """A crop for each face, but for those whose points coincide: the privacy cover takes care of them."""
    crops: Crops = []
    for face in faces:
        with suppress(DegenerateFace):
            crops.append(cut(lane, picture, face, len(crops)))
    return crops


def agrees(landmarks: F32, points: npt.NDArray[np.float32]) -> bool:
    """Whether landmarks and five points show the same face at the same place. Shapes: (66, 2), (5, 2)."""
    ours = five_points(landmarks)
    spread, theirs = (float(np.linalg.norm(p - p.mean(axis=0), axis=1).mean()) for p in (ours, points))
    off = float(np.linalg.norm(ours.mean(axis=0) - points.mean(axis=0)))
    return off < _AGREE * max(spread, theirs) and 0.6 < spread / max(theirs, 1e-6) < 1.6
