"""Makes a session's stages from its configuration: the one place that knows which class serves which name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from livefuse.align.cut import Cut, RegionCut
from livefuse.align.known import KnownLandmarks
from livefuse.align.make import fixed_axes, make_landmarker
from livefuse.align.stage import Align, AlignByPoints
from livefuse.casting import Casting
from livefuse.clock import Clock
from livefuse.composite.stage import Bitmap, Composite
from livefuse.config import Config
from livefuse.detect.known import KnownFaces
from livefuse.detect.make import make_detector
from livefuse.detect.stage import Detect, Detector
from livefuse.detect.track import Tracker
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.device.null import NullBackend
from livefuse.engines import Engines
from livefuse.frame import Crop, Crops, Faces
from livefuse.photos import photo_embedder, photo_finder
from livefuse.pipeline import AlignStage, Pipeline
from livefuse.swap.base import Look
from livefuse.swap.identity import Identity
from livefuse.wardrobe import Wardrobe

KNOWN, NO_LANDMARKS = "known", "none"


@dataclass(slots=True)
class Stages:
    """What a session runs on. `look` loads what a configuration puts on whom; `choice` what it needs to choose faces, and
    what it returns puts the new choice into force: between two frames."""

    pipeline: Pipeline
    composite: Composite
    look: Callable[[Config], Look]
    choice: Callable[[Config], Callable[[], None]]
    engines: Engines | None = None


def build_stages(
    config: Config, clock: Clock, marks: Callable[[], list[Bitmap]], *, inline: bool = False, wait: bool = True
) -> Stages:
    """`inline` has the models run on the caller's thread, `wait` has frames wait for slow ones. Raises: ModelMissing, DownloadFailed, EngineFailed, BadValue."""
    if config.backend == "null":
        return _null_stages(config, clock, marks)
    backend, engines = CpuBackend(os.cpu_count() or 1 if inline else 1), Engines(config, inline=inline)
    detector, align = _known(config) if config.detect.model == KNOWN else _learned(config, backend, engines)
    composite = Composite(backend, config.privacy)
    find, embed = photo_finder(config, backend, engines), photo_embedder(config, backend, engines)
    casting, wardrobe = Casting(backend, engines, find), Wardrobe(backend, engines, find, embed, wait=wait)
    tracker = Tracker(config.track, config.detect, chooser=casting.chooser(config))
    detect = Detect(detector, tracker, config.detect.every)

    def choice(changed: Config) -> Callable[[], None]:
        chooser = casting.chooser(changed)
        return lambda: detect.choose(chooser)

    pipeline = Pipeline(backend, detect, align, composite, clock, marks)
    return Stages(pipeline, composite, wardrobe.look, choice, engines)


def _learned(config: Config, backend: Backend, engines: Engines) -> tuple[Detector, AlignStage]:
    detect = config.detect
    found = engines.recipe(detect.model, "detector", "detect.model", also=[KNOWN])
    placed = None
    if config.align.model != NO_LANDMARKS:
        placed = engines.recipe(config.align.model, "landmarker", "align.model", also=[NO_LANDMARKS])
    engines.require([recipe for recipe in (found, placed) if recipe is not None])
    detector = make_detector(
        found,
        engines.load(found),
        backend,
        size_px=detect.size,
        threshold=detect.threshold,
        max_faces=detect.max_faces,
        resize="insightface" if config.profile.name == "insightface" else "area",
    )
    if placed is None:
        return detector, AlignByPoints()
    engine = engines.load(placed, fixed=fixed_axes(placed))
    return detector, Align(make_landmarker(placed, engine, backend), config.track)


def _known(config: Config) -> tuple[Detector, AlignStage]:
    """For synthetic pictures: no model at all."""
    return KnownFaces(), Align(KnownLandmarks(), config.track)


class _NoFaces:
    def begin(self, lane: Lane, picture: Picture) -> None: ...

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        return Faces.none()

    def restart(self) -> None: ...


class _NoCrops:
    def begin(self, lane: Lane, picture: Picture) -> None: ...

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int, cut: Cut) -> Crops:
        return []


class _NoSwap:
    def __init__(self, backend: Backend) -> None:
        self.cut = RegionCut(backend)

    def prepare(self, identity: Identity) -> None: ...

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        return crops

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None: ...


def _nothing() -> None: ...


def _null_stages(config: Config, clock: Clock, marks: Callable[[], list[Bitmap]]) -> Stages:
    """A session without pixels: sources, threads, mailboxes and sinks are real, nothing is found or swapped."""
    backend = NullBackend()
    composite = Composite(backend, config.privacy)
    look = Look(_NoSwap(backend))
    return Stages(
        Pipeline(backend, _NoFaces(), _NoCrops(), composite, clock, marks),
        composite,
        lambda _: look,
        lambda _: _nothing,
    )
