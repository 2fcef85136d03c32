"""What hides a face, told without learned weights: what no longer looks like the face that was followed.

Per track a model of the face's appearance is kept, in a space of its own that moves with its landmarks. Where a frame
deviates from it by more than is usual there, by more than light or misplaced landmarks explain, over a coherent area, something is
in front. What is hidden is not learned from; what has stayed still for long is: it is part of the face by now (glasses).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from livefuse.composite.masks.appearance import FLOOR, SHIFTED_CELLS2, Appearance, Difference, features, slopes
from livefuse.composite.masks.base import Visible
from livefuse.composite.masks.estimate_edges import on_crop
from livefuse.composite.masks.estimate_hole import GROW, find_hole, smoothed, still_parts, widened
from livefuse.composite.masks.estimate_space import Bools, Space, place, sample, space
from livefuse.device.base import Lane, Picture
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.swap.forget import forget, is_old

_LONGEST_STEP_S, _SHORTEST_STEP_S = 0.1, 0.001
_LEARN_FRAMES = 9
_NEW_SAY = 0.65  # of this frame's evidence against the frames before
_CUT = 0.4  # of the face: no hand covers so much of it from one frame to the next
_STILL, _MOVES = 0.3, 6.0
_LEAVING, _PEAK_S = 0.6, 5.0  # of the most that was hidden lately: below it the thing in front is on its way out
_LEFT_AGES = 10.0  # how much faster the model ages where nothing moves, once the thing in front is on its way out
_MOST, _WRONG_AGES = 0.4, 3.0  # and where nothing moves over so much of the face: the model may be of something else
_MOTION_FRAMES = 3


@dataclass(slots=True)
class _Track:
    """One face: its model and what hides it. Shapes: hole and evidence (gh, gw); past: frames in the model's light."""

    model: Appearance
    seen_ns: int
    hole: Bools
    evidence: F32
    past: list[F32] = field(default_factory=list)
    peak: float = 0.0

    @classmethod
    def begin(cls, space: Space, seen: F32, t_ns: int) -> _Track:
        return cls(Appearance(space, seen), t_ns, np.zeros(space.shape, np.bool_), np.zeros(space.shape, np.float32))

    def look(self, seen: F32, t_ns: int) -> None:
        """Compare a frame with the model, say what is hidden, and learn from the rest."""
        dt_s = float(np.clip((t_ns - self.seen_ns) / 1e9, _SHORTEST_STEP_S, _LONGEST_STEP_S))
        self.seen_ns = t_ns
        model = self.model
        difference = model.compare(seen, widened(self.hole, 1) if self.hole.any() else self.hole)
        now = smoothed(difference.deviation, model.space)
        if now.max() > GROW and _share((now > GROW) & ~self.hole, model.space) > _CUT:
            fresh = _Track.begin(model.space, seen, t_ns)
            self.model, self.hole, self.evidence, self.past = fresh.model, fresh.hole, fresh.evidence, []
            return
        now *= np.float32(_NEW_SAY)
        self.evidence *= np.float32(1 - _NEW_SAY)
        self.evidence += now
        before, learning = self.hole, model.frames < _LEARN_FRAMES
        hole = np.zeros_like(before) if learning else find_hole(self.evidence, before, model.space)
        doubt_s = self._doubt(difference, hole, dt_s)
        model.learn(difference, widened(hole, 2) if hole.any() else hole, doubt_s, dt_s)
        self.hole = hole

    def _doubt(self, difference: Difference, hole: Bools, dt_s: float) -> F32 | np.float32:
        """Seconds by which the model of each hidden cell ages: faster where nothing moves that could be in front."""
        self.past = [*self.past, difference.brightness][-_MOTION_FRAMES - 1 :]
        share = _share(hole, self.model.space)
        self.peak = max(share, self.peak * (1 - dt_s / _PEAK_S))
        leaving, ages = share <= _LEAVING * self.peak, np.float32(dt_s)
        if share == 0 or not (leaving or share > _MOST):
            return ages
        still = still_parts(hole, self._motion() > _MOVES, _STILL)
        return np.where(still, ages * np.float32(_LEFT_AGES if leaving else _WRONG_AGES), ages)

    def _motion(self) -> F32:
        """How much more than noise the face's space has changed since a few frames ago, (gh, gw)."""
        before, now = self.past[0], self.past[-1]
        slope_x, slope_y = slopes(now)
        usual = 2 * FLOOR[0] ** 2 + np.float32(SHIFTED_CELLS2) * (slope_x * slope_x + slope_y * slope_y)
        changed = (now - before) ** 2 / usual
        return np.asarray(cv2.GaussianBlur(np.minimum(changed, 20), (0, 0), 1.0), np.float32)


class OcclusionEstimate:
    """A masker that learns each face as it is followed. Used by the pipeline's thread; `grid_px` may change between frames."""

    def __init__(self, grid_px: int = 64) -> None:
        """`grid_px`: cells along the height of the face; fewer are cheaper."""
        self.grid_px = grid_px
        self._tracks: dict[int, _Track] = {}

    def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> Visible:
        """Look at the crops now; what is returned only hands the result over."""
        found = [self._look(crop, t_ns) for crop in crops]
        forget(self._tracks, t_ns)
        return lambda: found

    def _look(self, crop: Crop, t_ns: int) -> U8 | None:
        grid = space(self.grid_px)
        try:
            placed = place(grid, crop)
        except DegenerateFace:
            return None
        seen = features(sample(placed, crop.image))
        track = self._tracks.get(crop.track)
        if track is None or track.model.space is not grid or is_old(track, t_ns):
            self._tracks[crop.track] = _Track.begin(grid, seen, t_ns)
            return None
        track.look(seen, t_ns)
        return on_crop(track.hole, grid, placed, crop.image) if track.hole.any() else None


def _share(hole: Bools, space: Space) -> float:
    return np.count_nonzero(hole & space.face) / space.face_cells
