"""SCRFD: distances from anchor points to a face's box and five points, on three grids.

Its exports name their outputs as they like (`448`, `score_8`), so an output is known by its width and its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.detect.network import NOTHING, STRIDES, Decoded, Family
from livefuse.errors import EngineFailed
from livefuse.frame import F32

_SCORE, _BOX, _POINTS = 1, 4, 10
_TOWARDS = np.array([-1, -1, 1, 1], np.float32)


def decode(outputs: Mapping[str, npt.NDArray[Any]], size: tuple[int, int], threshold: float) -> Decoded:
    """Raises: EngineFailed if the outputs are not those of an SCRFD with points.

    Source: Guo et al. 2021, "Sample and Computation Redistribution for Efficient Face Detection"; insightface 2.1
    model_zoo/scrfd.py: an anchor lies on its cell's first pixel, scores come out of the graph as probabilities.
    """
    by_width = {width: _levels(outputs, width) for width in (_SCORE, _BOX, _POINTS)}
    parts = [NOTHING]
    for level, stride in enumerate(STRIDES):
        scores, boxes, points = (by_width[width][level] for width in (_SCORE, _BOX, _POINTS))
        keep = np.flatnonzero(scores >= threshold)
        if len(keep):
            anchors = _anchors(keep, len(scores), size, stride)
            parts.append(_placed(anchors, stride, scores[keep, 0], boxes[keep], points[keep]))
    boxes, scores, points = (np.concatenate(column) for column in zip(*parts, strict=True))
    return boxes, scores, points


def _levels(outputs: Mapping[str, npt.NDArray[Any]], width: int) -> list[F32]:
    """The outputs of one width as (n, width), finest grid first."""
    found = [output.reshape(-1, width) for output in outputs.values() if output.shape[-1] == width]
    if len(found) != len(STRIDES):
        shapes = {name: output.shape for name, output in outputs.items()}
        raise EngineFailed(
            f"{len(found)} outputs are {width} wide, {len(STRIDES)} expected: {shapes}",
            hint="SCRFD models with five points (`bnkps`) are supported",
        )
    return sorted(found, key=len, reverse=True)


def _anchors(keep: npt.NDArray[np.intp], count: int, size: tuple[int, int], stride: int) -> F32:
    """Where the anchors lie, network px. Shapes: keep (n,) of `count` -> (n, 2)."""
    rows, cols = size[0] // stride, size[1] // stride
    if count == 0 or count % (rows * cols):
        raise EngineFailed(f"{count} anchors on a grid of {rows} x {cols} cells (input {size[0]} x {size[1]})")
    cells = keep // (count // (rows * cols))
    return np.stack((cells % cols, cells // cols), axis=1).astype(np.float32) * stride


def _placed(anchors: F32, stride: int, scores: F32, boxes: F32, points: F32) -> Decoded:
    corners = np.tile(anchors, 2) + boxes.astype(np.float32) * _TOWARDS * stride
    return corners, scores.astype(np.float32), anchors[:, None] + points.astype(np.float32).reshape(-1, 5, 2) * stride


SCRFD = Family(decode, iou_limit=0.4, pixel=1.0)
