"""FaceMesh: 468 points of a face's surface."""

from __future__ import annotations

import numpy as np

from livefuse.align.box import boxes_of, frame_boxes
from livefuse.align.framing import roll
from livefuse.align.layouts import from_468
from livefuse.align.network import COUNT, NO_CONFIDENCE_GIVEN, Family, by_five_points
from livefuse.errors import EngineFailed
from livefuse.frame import F32
from livefuse.runtime.base import Outputs

SIDE_PX = 192
BOX_PX = SIDE_PX / 1.5


def frame(points: F32, side_px: int) -> F32:
    """Upright, one and a half boxes large. Shapes: (N, 5, 2) -> (N, 2, 3)."""
    return frame_boxes(boxes_of(points), side_px, BOX_PX, roll(points))


def decode(output: F32) -> F32:
    """Shapes: (1, 1, 1, 1404) -> (468, 2), crop px; depth is left out. Raises: EngineFailed.

    Source: iperov/DeepFaceLive modelhub/onnx/FaceMesh.
    """
    if output.size != 468 * 3:
        raise EngineFailed(f"the output is {output.shape}, 1404 numbers expected", hint="is this a FaceMesh model?")
    return np.asarray(output.reshape(468, 3)[:, :2], np.float32)


def _read(outputs: Outputs) -> tuple[F32, F32]:
    largest = max(outputs.values(), key=lambda output: output.size)  # some exports also say whether there is a face
    return from_468(decode(largest)), np.full(COUNT, NO_CONFIDENCE_GIVEN, np.float32)


FACEMESH = Family(SIDE_PX, frame, by_five_points(frame), _read)
