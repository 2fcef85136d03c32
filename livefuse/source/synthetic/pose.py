"""How a head stands and what its face does at one instant, and the camera that sees it (orthographic)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from livefuse.frame import F32

PIVOT = np.array([0.0, 6.0, -1.0], np.float32)  # where the neck carries the skull, head space, cm


@dataclass(frozen=True)
class Pose:
    """Angles in radians: yaw > 0 turns to the image's right, pitch > 0 looks down, roll > 0 leans clockwise.

    (x_px, y_px) is where the pivot lands in the frame.
    """

    x_px: float
    y_px: float
    px_per_cm: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @cached_property
    def rotation(self) -> F32:
        """(3, 3): head space -> view space (same axes, z towards the camera)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        cr, sr = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return np.asarray(lean @ nod @ turn, np.float32)

    def project(self, points: F32) -> F32:
        """Head space (..., 3) -> frame px and depth in cm (..., 3)."""
        seen = (points - PIVOT) @ self.rotation.T
        scale = np.array([self.px_per_cm, self.px_per_cm, 1], np.float32)
        return np.asarray(seen * scale + np.array([self.x_px, self.y_px, 0], np.float32), np.float32)


@dataclass(frozen=True, slots=True)
class Expression:
    """jaw: opening between the lips in cm; smile and blink 0..1; brow -1..1; gaze: shift of the irises in cm."""

    jaw: float = 0.0
    smile: float = 0.0
    blink: float = 0.0
    brow: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


NEUTRAL = Expression()
