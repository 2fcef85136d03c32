"""The target's own mouth and eyes in a learned swapper's face: what it says and where it looks stay its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.swap.mesh import topology
from livefuse.swap.mesh.mask import keep, mouth_gap, mouth_kept

_MOUTH_EDGE, _EYE_EDGE = 0.04, 0.05  # softness, in distances between the eyes
_EYE_GROWN = 1.15  # lids and lashes belong to the eye


@dataclass(frozen=True, slots=True)
class Keep:
    """Which of them are kept."""

    mouth: bool = False
    eyes: bool = False

    def __bool__(self) -> bool:
        return self.mouth or self.eyes

    def take(self, lane: Lane, visible: U8, landmarks: F32) -> None:
        """Take them out of a mask, in place; the mouth only as far as it is open. Shapes: (h, w); landmarks (66, 2), its px."""
        left, right = landmarks[topology.EYE_LEFT].mean(axis=0), landmarks[topology.EYE_RIGHT].mean(axis=0)
        apart = float(np.linalg.norm(right - left))
        if not np.isfinite(landmarks).all() or apart < 1:
            return
        if self.mouth:
            amount = mouth_kept(mouth_gap(landmarks))
            keep(lane, visible, landmarks[topology.INNER_LIPS], amount, _MOUTH_EDGE * apart)
        if self.eyes:
            for part in (topology.EYE_LEFT, topology.EYE_RIGHT):
                eye = landmarks[part]
                centre = eye.mean(axis=0)
                keep(lane, visible, (eye - centre) * np.float32(_EYE_GROWN) + centre, 1.0, _EYE_EDGE * apart)


NOTHING = Keep()
