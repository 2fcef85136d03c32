"""Following faces over time, causally: association, prediction, confirmation, and no answer that flickers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.assign import assign, match_cost
from livefuse.detect.choose import Chooser
from livefuse.detect.trajectory import Trajectory
from livefuse.frame import F32, Faces

MIN_RUN_FRAMES = 5
"""A face is swapped, or not swapped, for at least this many frames: anything shorter flickers."""

_REACH, _REACH_PER_MISS, _REACH_MAX, _REACH_AWAY = 0.8, 0.1, 1.5, 1.5
_RATIO, _RATIO_AWAY = 2.0, 1.5
_TENTATIVE_HOLD = 2
_JUMP = 0.35  # face sizes off its prediction: as far as a face moves only if it is another one, or very quick

Verify = Callable[[int, Faces, int], bool]


class Tracker:
    """Turns detections into faces with ids that last.

    A face is reported from its first detection, and may be chosen after `min_hits` detections in a row. While the
    detector loses it, it is predicted for `hold_frames`, then no longer reported but remembered for `lock_seconds`: a
    face that appears near its last place with a similar size is the same one, at once. Ids are never reused.
    Which faces are swapped is the chooser's to say; here its answers are kept from changing within MIN_RUN_FRAMES.
    `verify(id, detections, index)` may veto a return or a jump, for example by comparing embeddings; without one the
    chooser's likeness does, where it has one.
    Raises: BadValue as Chooser does, when the tracker is to make one itself.
    """

    def __init__(
        self, track: TrackConfig, detect: DetectConfig, *, chooser: Chooser | None = None, verify: Verify | None = None
    ) -> None:
        self._config, self._birth_score, self._max_faces = track, detect.threshold, detect.max_faces
        self._verify = verify
        self._chooser = chooser or Chooser(track)
        self._tracks: list[Trajectory] = []
        self._next_id = 1
        self._last_ns: int | None = None

    @property
    def chooser(self) -> Chooser:
        return self._chooser

    @property
    def tracks(self) -> Sequence[Trajectory]:
        """All that is known, lost ones too."""
        return self._tracks

    def choose_by(self, chooser: Chooser) -> None:
        """Choose by another rule from the next frame on; ids stay."""
        chooser.continue_from(self._chooser)
        self._chooser = chooser

    def restart(self) -> None:
        """Forget every face: the next picture has nothing to do with the last."""
        self._tracks.clear()
        self._last_ns = None

    def update(self, detections: Faces | None, t_ns: int, width: int, height: int) -> Faces:
        """Faces at `t_ns`. `detections` is None when the detector did not run on this frame."""
        self.follow(detections, t_ns)
        return self.choose(t_ns, width, height)

    def follow(self, detections: Faces | None, t_ns: int) -> None:
        """The first half of `update`: which face is where."""
        if self._last_ns is not None and t_ns < self._last_ns:  # the source started anew: its clock did too
            self._tracks.clear()
        self._last_ns = t_ns
        for track in self._tracks:
            track.age, track.missed, track.run = track.age + 1, track.missed + 1, track.run + 1
            track.lost += track.lost > 0
        if detections is not None:
            self._associate(detections, t_ns)
        self._retire(t_ns)

    def choose(self, t_ns: int, width: int, height: int) -> Faces:
        """The second half of `update`: which of them are wanted."""
        wanted = self._chooser(self._tracks, t_ns, width, height)
        for track in self._tracks:
            chosen, role = track.id in wanted, wanted.get(track.id, track.role)
            changed = (chosen, role) != (track.chosen, track.role)
            if changed and (track.run >= MIN_RUN_FRAMES or track.never_chosen):
                track.chosen, track.role, track.run = chosen, role, 0
        return _faces([track for track in self._tracks if not track.away], t_ns)

    def part(self, id_: int) -> int:
        """The face that this track shows is somebody else: it goes on under a new id, which is returned. The old id is
        away, remembered where it was."""
        old = next(track for track in self._tracks if track.id == id_)
        new = Trajectory(self._next_id, old.score, old.state.copy(), old.seen_ns, hits=old.hits, confirmed=True)
        new.velocity, new.moved, new.points = old.velocity.copy(), old.moved, old.points
        self._next_id += 1
        self._tracks.append(new)
        old.away, old.chosen, old.run = True, False, 0
        return new.id

    def _associate(self, found: Faces, t_ns: int) -> None:
        free = list(range(len(found)))
        shown = [track for track in self._tracks if not track.away]
        for group in ([t for t in shown if t.confirmed], [t for t in shown if not t.confirmed]):
            matched = self._match(group, found, free, t_ns)
            for track in group:
                if track not in matched:
                    track.miss()
        self._match([t for t in self._tracks if t.away], found, free, t_ns)
        for i in free:
            if found.scores[i] >= self._birth_score and len(self._tracks) < 2 * self._max_faces:
                self._tracks.append(self._born(found, i, t_ns))

    def _match(self, group: Sequence[Trajectory], found: Faces, free: list[int], t_ns: int) -> list[Trajectory]:
        """Give the free detections to a group of tracks; those given away leave `free`."""
        if not group or not free:
            return []
        predicted = np.stack([track.predict(t_ns)[:4] for track in group]).astype(np.float32)
        away = group[0].away
        reach = [_REACH_AWAY if away else min(_REACH_MAX, _REACH + _REACH_PER_MISS * t.missed) for t in group]
        cost = match_cost(predicted, found.boxes[free], reach, _RATIO_AWAY if away else _RATIO)
        pairs = [(group[row], free[col]) for row, col in assign(cost)]
        for track, i in pairs:
            track.jumped = away or _off(track.predict(t_ns), found.boxes[i]) > _JUMP
        pairs = [(track, i) for track, i in pairs if not track.jumped or self._may_be(track, found, i)]
        for track, i in pairs:
            score = float(found.scores[i])
            track.see(found.boxes[i], found.points[i], score, t_ns, smooth=self._config.smooth)
            if not track.confirmed and score < self._birth_score:
                track.hits = 0  # a weak detection may continue a face but does not make one
            track.confirmed |= track.hits >= self._config.min_hits
            free.remove(i)
        return [track for track, _ in pairs]

    def _may_be(self, track: Trajectory, found: Faces, i: int) -> bool:
        if self._verify is not None:
            return self._verify(track.id, found, i)
        likeness = self._chooser.likeness
        return likeness is None or likeness.verify(track.id, found, i)

    def _born(self, found: Faces, i: int, t_ns: int) -> Trajectory:
        state = np.concatenate((found.boxes[i], found.points[i].reshape(10))).astype(np.float64)
        track = Trajectory(self._next_id, float(found.scores[i]), state, t_ns, points=found.points[i])
        track.confirmed = self._config.min_hits <= 1
        self._next_id += 1
        return track

    def _retire(self, t_ns: int) -> None:
        """Stop showing what was lost for too long; forget what was away for too long."""
        keep_ns = self._config.lock_seconds * 1e9
        for track in self._tracks:
            young = track.chosen and track.run < MIN_RUN_FRAMES
            if track.confirmed and not young and track.lost > self._config.hold_frames:
                track.away = True
                if track.chosen:
                    track.chosen, track.run = False, 0
        self._tracks = [
            track
            for track in self._tracks
            if (t_ns - track.seen_ns < keep_ns if track.away else track.confirmed or track.lost <= _TENTATIVE_HOLD)
        ]


def _off(predicted: npt.NDArray[np.float64], box: F32) -> float:
    """How far a detection lies off a prediction, in face sizes."""
    middle, found = (predicted[:2] + predicted[2:4]) / 2, (box[:2] + box[2:]) / 2
    return float(np.hypot(*(middle - found))) / max(float(np.sqrt(np.prod(box[2:] - box[:2]))), 1e-3)


def _faces(tracks: Sequence[Trajectory], t_ns: int) -> Faces:
    if not tracks:
        return Faces.none()
    states = np.stack([track.predict(t_ns) for track in tracks])
    faces = Faces.of(states[:, :4], [track.score for track in tracks], states[:, 4:].reshape(-1, 5, 2))
    faces.ids = np.array([track.id for track in tracks], np.int64)
    faces.chosen = np.array([track.chosen for track in tracks], np.bool_)
    faces.age = np.array([track.age for track in tracks], np.int64)
    faces.missed = np.array([track.missed for track in tracks], np.int64)
    faces.roles = np.array([track.role for track in tracks], np.int64)
    return faces
