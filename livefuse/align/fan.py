"""FAN (`2dfan4`) and PEPPA-WUTZ: 68 landmarks on a grid of 64, each with a score."""

from __future__ import annotations

import numpy as np

from livefuse.align.box import boxes_of, frame_boxes
from livefuse.align.framing import roll
from livefuse.align.layouts import FROM_68, from_68
from livefuse.align.network import Family, by_five_points
from livefuse.errors import EngineFailed
from livefuse.frame import F32
from livefuse.runtime.base import Outputs

SIDE_PX, CELLS = 256, 64
BOX_PX = 195.0  # the side of the face's box in the crop
_SURE_FAN, _SURE_PEPPA = 0.9, 0.95  # a heat or score that counts as certain


def frame(points: F32, side_px: int) -> F32:
    """Upright, the detector's box 195 px large. Shapes: (N, 5, 2) -> (N, 2, 3)."""
    return frame_boxes(boxes_of(points), side_px, BOX_PX, roll(points))


def read_fan(outputs: Outputs) -> tuple[F32, F32]:
    """Landmarks from `landmarks_xyscore`, confidence from the heat maps' peaks. Shapes: (1, 68, 3), (1, 68, 64, 64).

    Source: facefusion 3.8.1 face_landmarker.py, `detect_with_2dfan4`. Raises: EngineFailed.
    """
    placed = next((o for o in outputs.values() if o.ndim == 3 and o.shape[1:] == (68, 3)), None)
    heat = next((o for o in outputs.values() if o.ndim == 4 and o.shape[1] == 68), None)
    if placed is None or heat is None:
        raise EngineFailed(f"outputs {_shapes(outputs)}: (1, 68, 3) and (1, 68, 64, 64) expected")
    peaks = heat[0].reshape(68, -1).max(axis=1)[FROM_68]
    return from_68(placed[0, :, :2] * (SIDE_PX / CELLS)), _sure(peaks, _SURE_FAN)


def read_peppa(outputs: Outputs) -> tuple[F32, F32]:
    """Shapes: (1, 204) or alike, 68 times x, y, score.

    Source: facefusion 3.8.1 face_landmarker.py, `detect_with_peppa_wutz`. Raises: EngineFailed.
    """
    values = next(iter(outputs.values()))
    if values.size != 68 * 3:
        raise EngineFailed(f"outputs {_shapes(outputs)}: 68 times x, y, score expected")
    points = from_68(values.reshape(68, 3))
    return points[:, :2] * np.float32(SIDE_PX / CELLS), _sure(points[:, 2], _SURE_PEPPA)


def _sure(scores: F32, certain: float) -> F32:
    return np.asarray(np.clip(scores / certain, 0, 1), np.float32)


def _shapes(outputs: Outputs) -> str:
    return ", ".join(f"{name} {output.shape}" for name, output in outputs.items())


FAN = Family(SIDE_PX, frame, by_five_points(frame), read_fan)
PEPPA_WUTZ = Family(SIDE_PX, frame, by_five_points(frame), read_peppa)
