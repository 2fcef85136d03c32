"""Cutting one face out of a picture: the region around it, or a model's own template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from livefuse.align.region import face_region
from livefuse.align.templates import TEMPLATES, five_points, similarity_from_points, transform_points
from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8, Crop

Sample = Callable[[Lane, Picture, F32, U8], None]
"""Fills an image (h, w, 3) from the picture through `to_crop` (2, 3), as `Backend.warp` does."""


@dataclass(slots=True)
class Face:
    """One face to be cut out, in frame px.

    Shapes: points (5, 2) as the tracker has them; landmarks (66, 2), or no rows where no landmarker runs. `role` is the
    identity of the cast that it wears.
    """

    track: int
    points: F32
    landmarks: F32
    role: int = 0


class Cut(Protocol):
    def __call__(self, lane: Lane, picture: Picture, face: Face, index: int) -> Crop:
        """The crop's image is the lane's memory for the `index`-th crop of a frame. Raises: DegenerateFace."""
        ...


class RegionCut:
    """The face with forehead and margin at the frame's own resolution, for swappers that go by landmarks."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __call__(self, lane: Lane, picture: Picture, face: Face, index: int) -> Crop:
        to_crop, (height, width) = face_region(face.landmarks, picture.width, picture.height)
        image = lane.buffer(f"crop.{index}", (height, width, 3))
        self._backend.warp(lane, picture, to_crop, image)
        inside = transform_points(to_crop, face.landmarks)
        return Crop(face.track, image, to_crop, five_points(inside), inside, role=face.role)


class TemplateCut:
    """The face brought onto a template by its five points: upright, always the same size and place."""

    def __init__(
        self, sample: Sample, template: str, size_px: int, points: Literal["landmarks", "detector"] = "landmarks"
    ) -> None:
        self.size_px = size_px
        self._sample, self._by_detector = sample, points == "detector"
        self._template = TEMPLATES[template].astype(np.float64) * size_px

    def __call__(self, lane: Lane, picture: Picture, face: Face, index: int) -> Crop:
        by_detector = self._by_detector or not len(face.landmarks)
        points = face.points if by_detector else five_points(face.landmarks)
        (to_crop,) = similarity_from_points(points[None], self._template)
        image = lane.buffer(f"template.{index}", (self.size_px, self.size_px, 3))
        self._sample(lane, picture, to_crop, image)
        inside = transform_points(to_crop, face.landmarks)
        return Crop(face.track, image, to_crop, transform_points(to_crop, points), inside, role=face.role)
