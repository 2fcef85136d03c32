"""YuNet: small and fast face detector with five points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.detect.network import NOTHING, STRIDES, Decoded, Family, NetworkDetector
from livefuse.device.base import Backend
from livefuse.frame import F32
from livefuse.runtime.base import Engine
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Normalisation


class YuNet(NetworkDetector):
    """A YuNet model without its recipe: pixels go in as they are, blue first.

    Source: Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector".
    """

    def __init__(
        self, engine: Engine, backend: Backend, *, size_px: int = 320, threshold: float = 0.6, max_faces: int = 8
    ) -> None:
        blob = Blob(Normalisation(order="bgr"))
        super().__init__(engine, backend, blob, YUNET, size_px=size_px, threshold=threshold, max_faces=max_faces)


def decode(outputs: Mapping[str, npt.NDArray[Any]], size: tuple[int, int], threshold: float) -> Decoded:
    """Source: opencv/opencv modules/objdetect/src/face_detect.cpp (Apache-2.0): score = sqrt(cls * obj)."""
    parts = [NOTHING]
    for stride in STRIDES:
        likelihood = (outputs[f"cls_{stride}"] * outputs[f"obj_{stride}"]).ravel()
        keep = np.flatnonzero(likelihood >= threshold * threshold)
        if len(keep):  # most strides of most pictures have nothing
            parts.append(_decode_stride(outputs, stride, size[1] // stride, keep, likelihood))
    boxes, scores, points = (np.concatenate(column) for column in zip(*parts, strict=True))
    return boxes, scores, points


def _decode_stride(
    outputs: Mapping[str, npt.NDArray[Any]], stride: int, cols: int, keep: npt.NDArray[np.intp], likelihood: F32
) -> Decoded:
    cells = np.stack((keep % cols, keep // cols), axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][0, keep]
    centre, half = (box[:, :2] + cells) * stride, np.exp(box[:, 2:]) * (stride / 2)
    points = (outputs[f"kps_{stride}"][0, keep].reshape(-1, 5, 2) + cells[:, None]) * stride
    scores = np.sqrt(np.clip(likelihood[keep], 0, 1))
    return np.concatenate((centre - half, centre + half), axis=1), scores, points


YUNET = Family(decode, iou_limit=0.3, centred=True)
