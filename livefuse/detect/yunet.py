"""YuNet: small and fast face detector with five points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8, Faces
from livefuse.runtime.base import Engine, Outputs

STRIDES = (8, 16, 32)
_NMS_IOU = 0.3
_CANDIDATES_PER_FACE = 32
_NOTHING = (np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))


class YuNet:
    """Finds faces with a YuNet model of fixed or dynamic input size.

    `threshold` is the least score returned. Source: Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector".
    """

    def __init__(
        self, engine: Engine, backend: Backend, *, size_px: int = 320, threshold: float = 0.6, max_faces: int = 8
    ) -> None:
        self._engine, self._backend = engine, backend
        self._size_px, self._threshold, self._max_faces = size_px, threshold, max_faces
        ((self._input, shape),) = engine.inputs.items()
        height, width = shape[2:]
        self._fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def __call__(self, lane: Lane, picture: Picture) -> Faces:
        return self.begin(lane, picture)()

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        """Start looking; calling what is returned waits for the faces."""
        height, width = self._fixed or network_size(picture.width, picture.height, self._size_px)
        rgb = lane.buffer("yunet.rgb", (height, width, 3))
        scale = self._backend.letterbox(lane, picture, rgb).scale
        blob = lane.buffer("yunet.blob", (1, 3, height, width), np.float32)
        _to_bgr_planes(rgb, blob[0])
        running = self._engine.submit(lane, {self._input: blob})
        return lambda: self._found(running.result(), width, scale)

    def _found(self, outputs: Outputs, width: int, scale: float) -> Faces:
        boxes, scores, points = decode(outputs, width, self._threshold)
        keep = nms(boxes, scores, _NMS_IOU, self._max_faces * _CANDIDATES_PER_FACE)[: self._max_faces]
        return Faces.of(_to_frame(boxes[keep], scale), scores[keep], _to_frame(points[keep], scale))


def network_size(width: int, height: int, size_px: int) -> tuple[int, int]:
    """(H, W) of the network's input: the picture's aspect, sides multiples of 32, never larger than the picture needs."""
    scale = min(size_px / max(width, height), 1.0)
    # a hair less before rounding up: 320 * (1280 / 1280) must not become 352
    rows, cols = (max(1, int(np.ceil(side * scale / STRIDES[-1] - 1e-6))) for side in (height, width))
    return rows * STRIDES[-1], cols * STRIDES[-1]


def decode(outputs: Mapping[str, npt.NDArray[Any]], width: int, threshold: float) -> tuple[F32, F32, F32]:
    """Network outputs -> candidates above `threshold`, in network px.

    Shapes: boxes (N, 4) x1 y1 x2 y2; scores (N,); points (N, 5, 2).
    Source: opencv/opencv modules/objdetect/src/face_detect.cpp (Apache-2.0): score = sqrt(cls * obj).
    """
    parts = [_NOTHING]
    for stride in STRIDES:
        likelihood = (outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"]).ravel()
        keep = np.flatnonzero(likelihood >= threshold * threshold)
        if len(keep):  # most strides of most pictures have nothing
            parts.append(_decode_stride(outputs, stride, width // stride, keep, likelihood))
    boxes, scores, points = (np.concatenate(column) for column in zip(*parts, strict=True))
    return boxes, scores, points


def _decode_stride(
    outputs: Mapping[str, npt.NDArray[Any]], stride: int, cols: int, keep: npt.NDArray[np.intp], likelihood: F32
) -> tuple[F32, F32, F32]:
    cells = np.stack((keep % cols, keep // cols), axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][0, keep]
    centre, half = (box[:, :2] + cells) * stride, np.exp(box[:, 2:]) * (stride / 2)
    points = (outputs[f"kps_{stride}"][0, keep].reshape(-1, 5, 2) + cells[:, None]) * stride
    scores = np.sqrt(np.clip(likelihood[keep], 0, 1))
    return np.concatenate((centre - half, centre + half), axis=1), scores, points


def nms(boxes: F32, scores: F32, iou_limit: float, candidates: int) -> npt.NDArray[np.intp]:
    """Indices of the boxes that no better box overlaps by more than `iou_limit`, best first."""
    order = np.argsort(-scores, kind="stable")[:candidates]
    overlaps = box_iou(boxes[order], boxes[order]) > iou_limit
    alive = np.ones(len(order), np.bool_)
    for i in range(len(order)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return order[alive]


def box_iou(a: F32, b: F32) -> F32:
    """Shapes: a (N, 4), b (M, 4) -> (N, M) intersection over union."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = (np.clip(x[:, 2:] - x[:, :2], 0, None).prod(axis=1) for x in (a, b))
    return np.asarray(inner / np.maximum(area_a[:, None] + area_b[None] - inner, 1e-9), np.float32)


def _to_bgr_planes(rgb: U8, planes: F32) -> None:
    for i, channel in enumerate(cv2.split(rgb)):
        np.copyto(planes[2 - i], channel)


def _to_frame(network_px: F32, scale: float) -> F32:
    """The pixel centres that a reduced pixel averages lie around its own: half a pixel on either side of the scale."""
    return np.asarray((network_px + 0.5) / scale - 0.5, np.float32)
