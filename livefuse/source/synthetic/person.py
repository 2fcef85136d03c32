"""One person in the picture: who, where, how they move; draws their head and knows their landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32
from livefuse.source.synthetic.head import build_head
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.landmarks import Landmarks
from livefuse.source.synthetic.motion import Motion
from livefuse.source.synthetic.pose import Pose
from livefuse.source.synthetic.render import FaceRenderer, Patch


@dataclass(frozen=True, slots=True)
class Place:
    """Who stands where: (x_px, y_px) is where the neck carries the head, at rest."""

    identity: Identity
    x_px: float
    y_px: float
    px_per_cm: float


class Person:
    """Somebody in their place, ready to be drawn."""

    def __init__(self, place: Place, motion_seed: int, motion: float) -> None:
        self.identity = place.identity
        self.x_px, self.y_px, self.px_per_cm = place.x_px, place.y_px, place.px_per_cm
        head = build_head(self.identity)
        self._renderer = FaceRenderer(head, self.px_per_cm)
        self._landmarks = Landmarks(head)
        self._motion = Motion(motion_seed, motion)

    def draw(self, t_s: float) -> tuple[Patch, F32, npt.NDArray[np.bool_]]:
        """The head at a time, its landmarks (66, 2) in frame px, and which of them face the camera."""
        act = self._motion.at(t_s)
        x, y = self.x_px + act.sway_cm[0] * self.px_per_cm, self.y_px + act.sway_cm[1] * self.px_per_cm
        pose = Pose(x, y, self.px_per_cm, act.yaw, act.pitch, act.roll)
        landmarks, facing = self._landmarks.project(pose, act.expression)
        return self._renderer.draw(pose, act.expression, act.light), landmarks, facing
