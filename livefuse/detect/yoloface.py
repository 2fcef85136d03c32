"""YOLO-face: one output, a column per candidate: box, score, and five points that each say how visible they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.detect.network import NOTHING, Decoded, Family
from livefuse.errors import EngineFailed

_ROWS = 20


def decode(outputs: Mapping[str, npt.NDArray[Any]], size: tuple[int, int], threshold: float) -> Decoded:
    """Shapes: output (1, 20, N): cx, cy, w, h, score, five times x, y, visibility, in network px. Raises: EngineFailed.

    Source: facefusion 3.8.1 face_detector.py, `detect_with_yolo_face`.
    """
    output = next(iter(outputs.values()))
    if output.ndim != 3 or output.shape[1] != _ROWS:
        raise EngineFailed(f"the output is {output.shape}, (1, {_ROWS}, N) expected", hint="is this a YOLO-face model?")
    rows = output[0]
    keep = np.flatnonzero(rows[4] >= threshold)
    if not len(keep):
        return NOTHING
    best = rows[:, keep].astype(np.float32)
    centre, half = best[0:2].T, best[2:4].T / 2
    points = best[5:].T.reshape(-1, 5, 3)[..., :2]
    return np.concatenate((centre - half, centre + half), axis=1), best[4], points


YOLOFACE = Family(decode, iou_limit=0.4)
