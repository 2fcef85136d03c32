"""How near a converted model is to the one it was made of, on crops that it was not calibrated on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from livefuse.detect.make import make_detector
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import NoFace
from livefuse.frame import F32, Faces
from livefuse.runtime.base import Engine, Feeds, Outputs
from livefuse.weights.convert.calibrate import LOOK_PX, MOST_FACES, THRESHOLD, Scene
from livefuse.weights.recipe import Recipe, Tensor

Precision = Literal["fp16", "int8"]
Measure = Literal["psnr", "cosine", "kept"]

THRESHOLDS: dict[Precision, dict[Measure, float]] = {
    "fp16": {"psnr": 40.0, "cosine": 0.9999, "kept": 0.99},
    "int8": {"psnr": 30.0, "cosine": 0.98, "kept": 0.99},
}
"""Least that is installed: PSNR of pictures in dB, cosine of everything else, share of a detector's faces."""
SAME_BOX, SAME_POINTS = 0.5, 0.1
"""A face is kept whose boxes overlap by more (intersection over union) and whose five points lie on average within this share
of the box's width."""
PICTURE_KINDS = ("swapper", "enhancer", "upscaler")
PERFECT_DB = 120.0
"""Stands for pictures without any difference."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """`value` is over all crops together, `worst` the worst crop's (the same for detectors). Times are of runs in
    turn, one crop each: medians, and what 95 % stay under; `max_error` is the largest difference of any number that came out."""

    measure: Measure
    value: float
    worst: float
    cosine: float
    max_error: float
    crops: int
    before_ms: float
    after_ms: float
    before_p95_ms: float
    after_p95_ms: float
    faces: int = 0
    invented: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        """`PSNR 52.1 dB (worst crop 50.8), cosine 0.99998, ...`"""
        shown = f"{shown_value(self.measure, self.value)} (worst {shown_value(self.measure, self.worst)})"
        if self.measure == "kept":
            shown = f"{shown_value('kept', self.value)} of {self.faces} faces kept, {self.invented} more found"
        if self.measure != "cosine":
            shown += f", {shown_value('cosine', self.cosine)}"
        return f"{shown}, largest difference {self.max_error:.2g}, on {self.crops} crops"


def shown_value(measure: Measure, value: float) -> str:
    if measure == "psnr":
        return f"PSNR {value:.1f} dB"
    return f"cosine {value:.5f}" if measure == "cosine" else f"{value:.1%}"


def judged(recipe: Recipe, before: Engine, after: Engine, feeds: Sequence[Feeds], scenes: Sequence[Scene]) -> Judgement:
    """Run both on the same feeds; detectors also on the scenes. Raises: EngineFailed, NoFace."""
    runs = [_both(before, after, each) for each in feeds]
    pairs = [(a, b) for a, b, _, _ in runs]
    measure = measure_of(recipe)
    cosines = [_cosine(recipe.outputs, *pair) for pair in pairs]
    told: dict[str, Any] = {
        "cosine": float(np.mean(cosines)),
        "max_error": max(_difference(a[t.name], b[t.name]) for a, b in pairs for t in recipe.outputs),
        "crops": len(pairs),
        **_times([run[2] for run in runs], [run[3] for run in runs]),
    }
    if measure == "kept":
        kept, faces, invented = faces_kept(recipe, before, after, scenes)
        return Judgement("kept", kept / faces, kept / faces, **told, faces=faces, invented=invented)
    if measure == "cosine":
        return Judgement("cosine", told["cosine"], min(cosines), **told)
    errors = [squared_error(recipe, *pair) for pair in pairs]
    return Judgement("psnr", psnr(float(np.mean(errors))), psnr(max(errors)), **told)


def _times(before_ms: list[float], after_ms: list[float]) -> dict[str, float]:
    return {
        "before_ms": median(before_ms),
        "after_ms": median(after_ms),
        "before_p95_ms": float(np.percentile(before_ms, 95)),
        "after_p95_ms": float(np.percentile(after_ms, 95)),
    }


def measure_of(recipe: Recipe) -> Measure:
    if recipe.kind == "detector":
        return "kept"
    return "psnr" if recipe.kind in PICTURE_KINDS else "cosine"


def _both(before: Engine, after: Engine, feeds: Feeds) -> tuple[Outputs, Outputs, float, float]:
    """Outputs, copied, and milliseconds of the second run of each: the first one on a shape also plans."""
    results, times = [], []
    for engine in (before, after):
        lane = Lane(0)
        engine.run(lane, feeds)
        began_ns = time.perf_counter_ns()
        outputs = engine.run(lane, feeds)
        times.append((time.perf_counter_ns() - began_ns) / 1e6)
        results.append({name: np.array(array) for name, array in outputs.items()})
    return results[0], results[1], times[0], times[1]


def squared_error(recipe: Recipe, before: Outputs, after: Outputs) -> float:
    """Mean, of the picture in 0..1 as it would be shown; infinity where it is no number."""
    face = recipe.output("face") or next(t.name for t in recipe.outputs if len(t.shape) == 4)
    if not np.isfinite(after[face]).all():  # clipping would make a colour of infinity
        return float("inf")
    a, b = (
        np.clip(one[face].astype(np.float64) * recipe.result.gain + recipe.result.offset, 0, 1)
        for one in (before, after)
    )
    return float(np.mean((a - b) ** 2))


def psnr(squared: float) -> float:
    """In dB, of values in 0..1."""
    if squared == float("inf"):
        return float("-inf")
    return min(PERFECT_DB, -10 * float(np.log10(max(squared, 1e-300))))


def _cosine(tensors: Sequence[Tensor], before: Outputs, after: Outputs) -> float:
    """Of the worst output, flattened; -1 where it is no number."""
    return min(cosine(before[tensor.name], after[tensor.name]) for tensor in tensors)


def cosine(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Of two arrays of any shape. Two that are 0 everywhere are the same."""
    x, y = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    length = float(np.linalg.norm(x) * np.linalg.norm(y))
    if not np.isfinite(length):
        return -1.0
    if length == 0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(x @ y / length)


def _difference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    largest = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")


def faces_kept(recipe: Recipe, before: Engine, after: Engine, scenes: Sequence[Scene]) -> tuple[int, int, int]:
    """Faces that both find, those the first one finds, and those that only the second one does. Raises: NoFace."""
    backend, lane = CpuBackend(), Lane(0)
    look = [
        make_detector(recipe, engine, backend, size_px=LOOK_PX, threshold=THRESHOLD, max_faces=MOST_FACES)
        for engine in (before, after)
    ]
    kept = faces = invented = 0
    for scene in scenes:
        wanted, found = (one(lane, scene.picture) for one in look)
        same = len(_matches(wanted, found))
        kept, faces, invented = kept + same, faces + len(wanted), invented + len(found) - same
    if not faces:
        raise NoFace("the model finds no face in the pictures to judge it on", hint="give it others with --frames")
    return kept, faces, invented


def _matches(wanted: Faces, found: Faces) -> list[tuple[int, int]]:
    free, pairs = set(range(len(found))), []
    for i in range(len(wanted)):
        near = [(j, overlap(wanted.boxes[i], found.boxes[j])) for j in free]
        best = max(near, key=lambda pair: pair[1], default=None)
        width = float(wanted.boxes[i, 2] - wanted.boxes[i, 0])
        if best is None or best[1] <= SAME_BOX:
            continue
        apart = float(np.linalg.norm(wanted.points[i] - found.points[best[0]], axis=1).mean())
        if apart <= SAME_POINTS * width:
            free.remove(best[0])
            pairs.append((i, best[0]))
    return pairs


def overlap(a: F32, b: F32) -> float:
    """Intersection over union of two boxes x1 y1 x2 y2."""
    width, height = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
    if width <= 0 or height <= 0:
        return 0.0
    both = float(width * height)
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (a, b)]
    return both / (sum(areas) - both)
