"""What a model is fed in livefuse, made of real scenes by the stages that feed it there.

Detectors, landmarkers and recognisers are run as they run in a session, with an engine that keeps what it is given. What is
cut onto a template (swappers, enhancers, masks) is cut and normalised by its recipe. Identities are drawn: vectors of the
right length in a random direction each, which is what embeddings of different people are to one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.align.cut import Face, TemplateCut
from livefuse.align.make import make_landmarker
from livefuse.align.recogniser import Recogniser
from livefuse.detect.make import make_detector
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine, Feeds, Outputs
from livefuse.runtime.blob import Blob
from livefuse.weights.add.trial import FREE_PX, feed
from livefuse.weights.convert.calibrate import LOOK_PX, MOST_FACES, THRESHOLD, Scene
from livefuse.weights.recipe import Normalisation, Recipe, Tensor

_NO_LANDMARKS = np.empty((0, 2), np.float32)
_TILE_PX = 128


def feeds_of(recipe: Recipe, engine: Engine, scenes: Sequence[Scene], *, most: int) -> list[Feeds]:
    """At most `most` feeds; `recipe` is bound to the engine. All are of one shape, which histograms need: a detector that
    takes any size sees squares. Raises: RecipeInvalid, EngineFailed.
    """
    backend, lane, recorder = CpuBackend(), Lane(0), _Recorder(engine, LOOK_PX if recipe.kind == "detector" else 1)
    if recipe.kind == "detector":
        look = make_detector(
            recipe, recorder, backend, size_px=LOOK_PX, threshold=THRESHOLD, max_faces=MOST_FACES
        ).begin
        for scene in scenes[:most]:
            look(lane, scene.picture)()
    elif recipe.kind == "landmarker":
        place = make_landmarker(recipe, recorder, backend)
        for scene in scenes[:most]:
            place(lane, scene.picture, scene.points, None)
    elif recipe.kind == "recogniser":
        recognise = Recogniser(recorder, backend, recipe)
        for scene in scenes[:most]:
            recognise.raw(lane, scene.picture, scene.points)
    else:
        return list(islice(_by_recipe(recipe, scenes), most))
    return recorder.fed[:most]


class _Recorder:
    """An engine that keeps a copy of what it is fed. Free axes are fixed: a batch to 1, sides to `side_px`."""

    def __init__(self, engine: Engine, side_px: int) -> None:
        self._engine = engine
        self.path: Path = engine.path
        self.outputs = engine.outputs
        self.inputs: Mapping[str, tuple[int | str, ...]] = {
            name: tuple(_fixed(size, side_px if axis else 1) for axis, size in enumerate(shape))
            for name, shape in engine.inputs.items()
        }
        self.placement: Mapping[str, int] = engine.placement
        self.fed: list[Feeds] = []

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        self.fed.append({name: array.copy() for name, array in feeds.items()})
        return self._engine.submit(lane, feeds)

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        return self.submit(lane, feeds).result()


def _fixed(size: int | str, otherwise: int) -> int:
    return size if isinstance(size, int) else otherwise


def _by_recipe(recipe: Recipe, scenes: Sequence[Scene]) -> Iterator[Feeds]:
    """One feed a face; each face's identity is somebody else's."""
    picture = picture_input(recipe)
    drawn = np.random.default_rng(0)
    for scene in scenes:
        for points in scene.points:
            yield {
                tensor.name: _image(tensor, recipe, scene, points) if tensor is picture
                else _beside(tensor, recipe, scene, points, drawn)
                for tensor in recipe.inputs
            }  # fmt: skip


def picture_input(recipe: Recipe) -> Tensor | None:
    """The input that takes the picture; None for a converter of vectors."""
    named = next((tensor for tensor in recipe.inputs if tensor.role == "image"), None)
    return named or next((tensor for tensor in recipe.inputs if len(tensor.shape) == 4 and tensor.role is None), None)


def _beside(tensor: Tensor, recipe: Recipe, scene: Scene, points: F32, drawn: np.random.Generator) -> npt.NDArray[Any]:
    tried = feed(tensor, recipe)
    if tensor.role == "identity" and len(tensor.shape) == 4:
        source = recipe.source
        assert source.template is not None  # the recipe was checked
        return _cut(tensor, source.template, source.normalisation or recipe.normalisation, "nchw", scene, points)
    if tried.ndim != 2 or tensor.role in ("morph", "points"):
        return tried
    vector = drawn.standard_normal(tried.shape)
    return np.asarray(vector / np.linalg.norm(vector) * np.linalg.norm(tried), tensor.dtype)


def _image(tensor: Tensor, recipe: Recipe, scene: Scene, points: F32) -> npt.NDArray[Any]:
    return _cut(
        tensor, recipe.template, recipe.normalisation, recipe.layout, scene, points, tile=recipe.kind == "upscaler"
    )


def _cut(
    tensor: Tensor,
    template: str | None,
    normalisation: Normalisation | None,
    layout: str,
    scene: Scene,
    points: F32,
    *,
    tile: bool = False,
) -> npt.NDArray[Any]:
    sides = tensor.shape[2:4] if layout == "nchw" else tensor.shape[1:3]
    free_px = _TILE_PX if tile else FREE_PX
    height, width = (side if isinstance(side, int) else free_px for side in sides)
    rgb = _pixels(template, height, width, scene, points, tile=tile)
    blob = Blob(normalisation, "nchw" if layout == "nchw" else "nhwc")
    out = np.empty((1, *blob.shape(height, width)), np.float32)
    blob.fill(rgb, out[0])
    return out


def _pixels(template: str | None, height: int, width: int, scene: Scene, points: F32, *, tile: bool) -> U8:
    """The face on its template; by none, the whole picture, or a tile of it around the face at its own resolution."""
    backend, lane = CpuBackend(), Lane(0)
    if template is not None:
        if height != width:
            raise RecipeInvalid(f"a {template} crop of {width}x{height} px", hint="templates are square")
        cut = TemplateCut(backend.warp, template, height)
        return cut(lane, scene.picture, Face(0, points, _NO_LANDMARKS), 0).image
    if tile:
        x, y = points.mean(axis=0) - np.array([width, height], np.float32) / 2
        to_crop = np.array([[1, 0, -np.round(x)], [0, 1, -np.round(y)]], np.float32)
    else:
        to_crop = np.diag([width / scene.frame.width, height / scene.frame.height, 0])[:2].astype(np.float32)
    out = np.empty((height, width, 3), np.uint8)
    backend.warp(lane, scene.picture, to_crop, out)
    return out
