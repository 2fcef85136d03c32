"""Runs a model once, on the face of somebody who does not exist: does it run here, and does anything come out?"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.runtime.blob import Blob
from livefuse.runtime.ort import OrtEngine
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.source.synthetic.truth import SyntheticTruth
from livefuse.weights.bind import bound
from livefuse.weights.recipe import Normalisation, Recipe, Tensor

SEED, PORTRAIT_PX, FREE_PX = 7, 512, 320
RAW_LENGTH = 20.0
"""About how long a recogniser's embedding is before it is scaled."""
MORPH, FIDELITY = 0.75, 0.5
UPSCALED_PX = 128
"""Side of the picture that an upscaler is tried with: what its recipe's GMAC are stated for."""
_BLANK = 1e-6
_MADE_BY_NETWORKS = ("volume", "driving", "own")
"""What another network makes: random numbers of about its size do as well."""
_DRAWN_SIZE = 0.3


@dataclass(frozen=True, slots=True)
class Output:
    """What one output held. `least` and `most` are of its finite values."""

    name: str
    shape: tuple[int, ...]
    finite: bool
    blank: bool
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Trial:
    """`ms` is the second run's time: the first one also plans and allocates."""

    ms: float
    outputs: tuple[Output, ...]
    fault: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"passed": not self.fault}


def tried(path: Path, recipe: Recipe, precision: str) -> Trial:
    """Raises: EngineFailed if the runtime cannot load or run it."""
    engine, lane = OrtEngine(path), Lane(0)
    recipe = bound(recipe, engine.inputs, engine.outputs)
    feeds = {tensor.name: feed(tensor, recipe) for tensor in recipe.inputs}
    engine.run(lane, feeds)
    began_ns = time.perf_counter_ns()
    results = engine.run(lane, feeds)
    ms = (time.perf_counter_ns() - began_ns) / 1e6
    outputs = tuple(_output(tensor.name, np.asarray(results[tensor.name])) for tensor in recipe.outputs)
    fault = _fault(recipe, outputs, precision) or _wrong_scale(recipe, feeds, outputs)
    return Trial(ms, outputs, fault)


def _wrong_scale(recipe: Recipe, feeds: dict[str, npt.NDArray[Any]], outputs: tuple[Output, ...]) -> str:
    """Networks that enlarge twofold and fourfold may have one structure: what comes out tells."""
    given, name = recipe.input("image"), recipe.output("face")
    if recipe.kind != "upscaler" or given is None:
        return ""
    made = next(output.shape for output in outputs if output.name == name)
    expected = tuple(side * (recipe.scale or 1) for side in feeds[given].shape[2:])
    if made[2:] == expected:
        return ""
    sizes = " instead of ".join("x".join(map(str, sides)) for sides in (made[2:], expected))
    return f"the picture that comes out is not {recipe.scale} times as large: {sizes}"


def feed(tensor: Tensor, recipe: Recipe) -> npt.NDArray[Any]:
    """What one input is tried with, in its own dtype."""
    if tensor.role == "morph":
        return np.full(1, MORPH, tensor.dtype)
    if tensor.role == "fidelity":
        return np.full(1, FIDELITY, tensor.dtype)
    if tensor.role == "points":
        template = TEMPLATES[recipe.template or "ffhq_512"]
        return np.ascontiguousarray(template[None], tensor.dtype)
    if tensor.role in _MADE_BY_NETWORKS:
        return _drawn(tensor)
    if len(tensor.shape) == 2:
        return _embedding(tensor, RAW_LENGTH if recipe.kind == "converter" or not recipe.source.unit else 1.0)
    if tensor.role == "identity":
        source = recipe.source
        return _face(tensor, source.template, source.normalisation or recipe.normalisation, "nchw")
    free_px = UPSCALED_PX if recipe.kind == "upscaler" else FREE_PX
    return _face(tensor, recipe.template, recipe.normalisation, recipe.layout, free_px)


def _drawn(tensor: Tensor) -> npt.NDArray[Any]:
    shape = tuple(axis if isinstance(axis, int) else 1 for axis in tensor.shape)
    return np.asarray(np.random.default_rng(SEED).standard_normal(shape) * _DRAWN_SIZE, tensor.dtype)


def _embedding(tensor: Tensor, length: float) -> npt.NDArray[Any]:
    width = tensor.shape[1] if isinstance(tensor.shape[1], int) else 512
    drawn = np.random.default_rng(SEED).standard_normal((1, width))
    return np.asarray(drawn / np.linalg.norm(drawn) * length, tensor.dtype)


def _face(
    tensor: Tensor, template: str | None, normalisation: Normalisation | None, layout: str, free_px: int = FREE_PX
) -> npt.NDArray[Any]:
    """The portrait cut by a template; by none, as detectors see it, the whole of it. Free sides are `free_px` long."""
    sides = tensor.shape[2:4] if layout == "nchw" else tensor.shape[1:3]
    height, width = (side if isinstance(side, int) else free_px for side in sides)
    blob = Blob(normalisation, "nchw" if layout == "nchw" else "nhwc")
    out = np.empty((1, *blob.shape(height, width)), np.float32)
    blob.fill(_cut(template, height, width), out[0])
    return np.asarray(out, tensor.dtype)


def _cut(template: str | None, height: int, width: int) -> U8:
    portrait, truth = _portrait()
    if template is None:
        return np.asarray(cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    (to_crop,) = similarity_from_points(truth.points, TEMPLATES[template] * np.array([width, height]))
    return np.asarray(cv2.warpAffine(portrait, to_crop, (width, height)), np.uint8)


@cache
def _portrait() -> tuple[U8, SyntheticTruth]:
    return draw_portrait(SEED, PORTRAIT_PX)


def _output(name: str, values: npt.NDArray[Any]) -> Output:
    numbers: F32 = values.astype(np.float32)
    finite = np.isfinite(numbers)
    inside = numbers[finite]
    least, most = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
    return Output(name, values.shape, bool(finite.all()), most - least < _BLANK, least, most)


def _fault(recipe: Recipe, outputs: tuple[Output, ...], precision: str) -> str:
    bad = [output.name for output in outputs if not output.finite]
    if bad:
        half = precision == "float16" or any(t.dtype == "float16" for t in recipe.inputs)
        return f"{', '.join(bad)} holds NaN or infinity" + (f": {_HALF}" if half else "")
    face = recipe.output("face")
    blank = [output.name for output in outputs if output.blank and (face in (None, output.name))]
    if face in blank or len(blank) == len(outputs):
        return f"{', '.join(blank)} is blank: every value is the same"
    return ""


_HALF = (
    "in half precision the 1e-8 of its normalisation is 0 and variances overflow; some exports keep those operators in "
    "float32, others (and some graphics cards, GTX 16xx among them) do not: use an export in float32"
)
