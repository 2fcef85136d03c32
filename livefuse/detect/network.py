"""A face detector that is a network: reduced picture in, candidates out, the best of them in frame px."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from livefuse.detect.boxes import nms
from livefuse.detect.view import Resize, View, centres_to_frame, edges_to_frame
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, Faces
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob

STRIDES = (8, 16, 32)
NOTHING = (np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))
_CANDIDATES_PER_FACE = 32

Decoded: TypeAlias = tuple[F32, F32, F32]
"""Candidates in network px. Shapes: boxes (N, 4) x1 y1 x2 y2; scores (N,); points (N, 5, 2)."""
Decode: TypeAlias = Callable[[Mapping[str, npt.NDArray[Any]], tuple[int, int], float], Decoded]
"""(outputs, (H, W) of the input, least score) -> candidates."""


class Family(NamedTuple):
    """How one family of networks is read. `centred`: its coordinates are pixel centres, not edges; `pixel` is what it adds
    to a box's width when boxes are compared."""

    decode: Decode
    iou_limit: float
    centred: bool = False
    pixel: float = 0.0


class NetworkDetector:
    """Finds faces with a network of fixed or dynamic input size; `threshold` is the least score returned."""

    def __init__(
        self,
        engine: Engine,
        backend: Backend,
        blob: Blob,
        family: Family,
        *,
        size_px: int,
        threshold: float,
        max_faces: int,
        resize: Resize = "area",
        dtype: npt.DTypeLike = np.float32,
    ) -> None:
        self._engine, self._blob, self._family, self._dtype = engine, blob, family, dtype
        self._threshold, self._max_faces = threshold, max_faces
        self._input, shape = next(iter(engine.inputs.items()))
        height, width = shape[2:]
        fixed = (height, width) if isinstance(height, int) and isinstance(width, int) else None
        self._view = View(backend, size_px, fixed, resize)

    @property
    def size_px(self) -> int | None:
        """Longer side of the network's input, which may be changed between two pictures; None where the network fixes it."""
        return self._view.size_px

    @size_px.setter
    def size_px(self, size_px: int) -> None:
        self._view.size_px = size_px

    def __call__(self, lane: Lane, picture: Picture) -> Faces:
        return self.begin(lane, picture)()

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        """Start looking; calling what is returned waits for the faces."""
        size = self._view.size(picture)
        rgb = lane.buffer("detect.rgb", (*size, 3))
        scale = self._view.read(lane, picture, rgb)
        blob = lane.buffer("detect.blob", (1, *self._blob.shape(*size)), self._dtype)
        self._blob.fill(rgb, blob[0])
        running = self._engine.submit(lane, {self._input: blob})
        return lambda: self._found(running.result(), size, scale)

    def _found(self, outputs: Outputs, size: tuple[int, int], scale: float) -> Faces:
        family = self._family
        boxes, scores, points = family.decode(outputs, size, self._threshold)
        keep = nms(boxes, scores, family.iou_limit, self._max_faces * _CANDIDATES_PER_FACE, pixel=family.pixel)
        keep = keep[: self._max_faces]
        to_frame = centres_to_frame if family.centred else edges_to_frame
        return Faces.of(to_frame(boxes[keep], scale), scores[keep], to_frame(points[keep], scale))
