"""Crops, faces and a network that gives a fixed picture, for the tests of compositing profiles."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points, transform_points
from livefuse.composite.profiles.base import Profile
from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, Crop


class FixedSession:
    """An ONNX Runtime session that answers every run with one face. Shapes: face (S, S, 3) RGB 0..1."""

    def __init__(self, face: F32) -> None:
        side = face.shape[0]
        self._output = np.ascontiguousarray(face.transpose(2, 0, 1)[None])
        self._names = ("target", "source"), (1, 3, side, side)
        self.seen: list[F32] = []

    def get_inputs(self) -> list[Any]:
        names, shape = self._names
        return [SimpleNamespace(name=names[0], shape=shape), SimpleNamespace(name=names[1], shape=(1, 512))]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="output", shape=self._output.shape)]

    def run(self, names: list[str], feeds: dict[str, F32]) -> list[F32]:
        self.seen.append(feeds["target"])
        return [self._output]


def inswapper(session: FixedSession) -> Any:
    """The `insightface` package's own swapper around a session, without a model file. Raises: ImportError."""
    package = importlib.import_module("insightface.model_zoo.inswapper").INSwapper
    swapper = package.__new__(package)  # its own constructor reads a model file
    swapper.session, swapper.emap = session, np.eye(512, dtype=np.float32)
    swapper.input_mean, swapper.input_std = 0.0, 255.0
    swapper.input_names = [one.name for one in session.get_inputs()]
    swapper.output_names = [one.name for one in session.get_outputs()]
    swapper.input_shape = session.get_inputs()[0].shape
    swapper.input_size = tuple(swapper.input_shape[2:4][::-1])
    return swapper


def aligned(points: F32, side: int) -> F32:
    """(2, 3): frame px -> px of an arcface_128 crop."""
    return similarity_from_points(points[None], TEMPLATES["arcface_128"] * side)[0]


def cut_crop(
    profile: Profile, lane: Lane, picture: Picture, points: F32, side: int, landmarks: F32 | None = None
) -> Crop:
    """One crop, cut as the profile does it. Shapes: points (5, 2), landmarks (66, 2), frame px."""
    to_crop = aligned(points, side)
    image = np.empty((side, side, 3), np.uint8)
    profile.cut(lane, picture, to_crop, image)
    marks = np.empty((0, 2), np.float32) if landmarks is None else transform_points(to_crop, landmarks)
    return Crop(1, image, to_crop, transform_points(to_crop, points), marks)


def frontal(centre: tuple[float, float], eyes_px: float, degrees: float = 0.0) -> F32:
    """The five points of a face that looks at the camera. Shapes: (5, 2), frame px."""
    shape = np.array([[-0.5, -0.36], [0.5, -0.36], [0.0, 0.2], [-0.41, 0.79], [0.41, 0.79]]) * eyes_px
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(shape @ [[cos, sin], [-sin, cos]] + np.array(centre), np.float32)
