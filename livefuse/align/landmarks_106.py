"""insightface's 106 landmarks (`2d106det`)."""

from __future__ import annotations

import numpy as np

from livefuse.align.box import boxes_of, frame_boxes
from livefuse.align.layouts import from_106
from livefuse.align.network import COUNT, NO_CONFIDENCE_GIVEN, Family, by_five_points
from livefuse.errors import EngineFailed
from livefuse.frame import F32
from livefuse.runtime.base import Outputs

SIDE_PX = 192
BOX_PX = SIDE_PX / 1.5


def frame(points: F32, side_px: int) -> F32:
    """One and a half boxes large and not turned, as in training. Shapes: (N, 5, 2) -> (N, 2, 3)."""
    return frame_boxes(boxes_of(points), side_px, BOX_PX)


def decode(output: F32) -> F32:
    """Shapes: (1, 212) -> (106, 2), crop px. Raises: EngineFailed. Source: insightface 2.1 model_zoo/landmark.py."""
    if output.size != 212:
        raise EngineFailed(f"the output is {output.shape}, (1, 212) expected", hint="is this a 2d106 model?")
    return np.asarray((output.reshape(106, 2) + 1) * (SIDE_PX // 2), np.float32)


def _read(outputs: Outputs) -> tuple[F32, F32]:
    landmarks = decode(next(iter(outputs.values())))
    return from_106(landmarks), np.full(COUNT, NO_CONFIDENCE_GIVEN, np.float32)


LANDMARKS_106 = Family(SIDE_PX, frame, by_five_points(frame), _read)
