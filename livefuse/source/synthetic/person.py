"""One person in the picture: who, where, how they move; draws their head and knows their landmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32
from livefuse.source.synthetic.head import build_head
from livefuse.source.synthetic.identity import identity_of
from livefuse.source.synthetic.landmarks import Landmarks
from livefuse.source.synthetic.motion import Motion
from livefuse.source.synthetic.pose import Pose
from livefuse.source.synthetic.render import FaceRenderer, Patch


class Person:
    """(x_px, y_px) is where the neck carries the head, at rest."""

    def __init__(
        self, identity_seed: int, motion_seed: int, x_px: float, y_px: float, px_per_cm: float, motion: float
    ) -> None:
        self.identity = identity_of(identity_seed)
        self.x_px, self.y_px, self.px_per_cm = x_px, y_px, px_per_cm
        head = build_head(self.identity)
        self._renderer = FaceRenderer(head, px_per_cm)
        self._landmarks = Landmarks(head)
        self._motion = Motion(motion_seed, motion)

    def draw(self, t_s: float) -> tuple[Patch, F32, npt.NDArray[np.bool_]]:
        """The head at a time, its landmarks (66, 2) in frame px, and which of them face the camera."""
        act = self._motion.at(t_s)
        x, y = self.x_px + act.sway_cm[0] * self.px_per_cm, self.y_px + act.sway_cm[1] * self.px_per_cm
        pose = Pose(x, y, self.px_per_cm, act.yaw, act.pitch, act.roll)
        landmarks, facing = self._landmarks.project(pose, act.expression)
        return self._renderer.draw(pose, act.expression, act.light), landmarks, facing
