"""What is known about a synthetic frame, because it was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8

LEFT_CORNER, RIGHT_CORNER, NOSE_TIP = 58, 62, 30  # of the mouth, in OpenSeeFace's order


@dataclass(frozen=True, slots=True)
class Cover:
    """Something in front of the faces. Shapes: alpha (h, w) uint8, its top left corner at (x, y) frame px."""

    x: int
    y: int
    alpha: U8


@dataclass(frozen=True, slots=True)
class SyntheticTruth:
    """Shapes: boxes (N, 4) float32 x1 y1 x2 y2; landmarks (N, 66, 2) float32 frame px, OpenSeeFace's order; points
    (N, 5, 2) float32 as in `Faces`; visible (N, 66) bool: in the frame, facing the camera and not behind a hand."""

    width: int
    height: int
    boxes: F32
    landmarks: F32
    points: F32
    visible: npt.NDArray[np.bool_]
    identities: tuple[int, ...]
    cover: Cover | None = None

    def occlusion(self) -> U8:
        """(H, W) uint8: how much of each pixel a hand covers, 0..255."""
        full = np.zeros((self.height, self.width), np.uint8)
        if self.cover is not None:
            c = self.cover
            x1, y1 = max(0, c.x), max(0, c.y)
            x2, y2 = min(self.width, c.x + c.alpha.shape[1]), min(self.height, c.y + c.alpha.shape[0])
            if x2 > x1 and y2 > y1:
                full[y1:y2, x1:x2] = c.alpha[y1 - c.y : y2 - c.y, x1 - c.x : x2 - c.x]
        return full


def truth_of(
    width: int,
    height: int,
    landmarks: F32,
    facing: npt.NDArray[np.bool_],
    identities: tuple[int, ...],
    cover: Cover | None,
) -> SyntheticTruth:
    """Boxes, points and visibility from landmarks (N, 66, 2)."""
    visible = facing & (landmarks >= -0.5).all(axis=-1) & (landmarks < np.array([width, height]) - 0.5).all(axis=-1)
    if cover is not None:
        at = np.round(landmarks).astype(int) - (cover.x, cover.y)
        h, w = cover.alpha.shape
        within = (at >= 0).all(axis=-1) & (at[..., 0] < w) & (at[..., 1] < h)
        x, y = np.clip(at[..., 0], 0, w - 1), np.clip(at[..., 1], 0, h - 1)
        visible &= ~(within & (cover.alpha[y, x] > 127))
    eyes = landmarks[:, 36:42].mean(axis=1), landmarks[:, 42:48].mean(axis=1)
    corners = landmarks[:, NOSE_TIP], landmarks[:, LEFT_CORNER], landmarks[:, RIGHT_CORNER]
    points = np.stack([*eyes, *corners], axis=1)
    return SyntheticTruth(
        width, height, _boxes(landmarks), landmarks, points.astype(np.float32), visible, identities, cover
    )


def _boxes(landmarks: F32) -> F32:
    """Forehead to chin and side to side, as face detectors draw them."""
    if not len(landmarks):
        return np.empty((0, 4), np.float32)
    low, high = landmarks.min(axis=1), landmarks.max(axis=1)
    low[:, 1] -= 0.22 * (high[:, 1] - low[:, 1])
    return np.concatenate([low, high], axis=1).astype(np.float32)
