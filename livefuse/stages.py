"""Makes a session's stages from its configuration: the one place that knows which class serves which name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livefuse.align.known import KnownLandmarks
from livefuse.align.openseeface import OpenSeeFace
from livefuse.align.stage import Align, Landmarker
from livefuse.clock import Clock
from livefuse.composite.stage import Bitmap, Composite
from livefuse.config import Config, IdentityConfig
from livefuse.detect.known import KnownFaces
from livefuse.detect.stage import Detect, Detector
from livefuse.detect.track import Tracker
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.device.null import NullBackend
from livefuse.errors import BadValue
from livefuse.frame import F32, U8, Crops, Faces, HostFrame
from livefuse.paths import Paths
from livefuse.pipeline import Pipeline
from livefuse.runtime.ort import OrtEngine
from livefuse.swap.identity import FaceFinder, Identity, load_identity
from livefuse.swap.mesh.swapper import MeshSwapper
from livefuse.weights.store import ModelStore

LANDMARKER = "openseeface_lm0"

# Photos get a finer search than video: it happens once, and the face may be small in an 8K picture.
_PHOTO_SEARCH_PX = (640, 1280)
_PHOTO_THRESHOLD = 0.6


class PhotoSearch:
    """Faces with landmarks in one picture, for identity photos."""

    def __init__(self, backend: Backend, detector: OrtEngine, landmarker: OpenSeeFace) -> None:
        self._backend, self._landmarker = backend, landmarker
        self._detectors = [YuNet(detector, backend, size_px=px, threshold=_PHOTO_THRESHOLD) for px in _PHOTO_SEARCH_PX]

    def __call__(self, rgb: U8) -> list[tuple[F32, F32, F32]]:
        lane = Lane(0)
        picture = self._backend.upload(lane, HostFrame((rgb,), "rgb24", rgb.shape[1], rgb.shape[0]))
        faces = Faces.none()
        for detector in self._detectors:
            faces = detector(lane, picture)
            if len(faces):
                break
        if not len(faces):
            return []
        landmarks, _ = self._landmarker(lane, picture, faces.points, None)
        return [(faces.boxes[i], faces.points[i], landmarks[i]) for i in range(len(faces))]


@dataclass(slots=True)
class Stages:
    """What a session runs on."""

    pipeline: Pipeline
    composite: Composite
    load_identity: Callable[[IdentityConfig], Identity]


def build_stages(config: Config, clock: Clock, marks: Callable[[], list[Bitmap]]) -> Stages:
    """Raises: ModelMissing, DownloadFailed, EngineFailed, BadValue."""
    if config.backend == "null":
        return _null_stages(config, clock, marks)
    if config.swap.model != "mesh":
        raise BadValue(f"swap.model = {config.swap.model!r}: no such swapper", hint="known swappers: mesh")
    backend = CpuBackend()
    detector, landmarker, find = _known(config) if config.detect.model == "known" else _learned(config, backend)
    composite = Composite(backend, config.privacy)
    swapper = MeshSwapper(config.swap, fade_in=config.privacy.mode == "open")
    pipeline = Pipeline(
        backend,
        Detect(detector, Tracker(config.track, config.detect), config.detect.every),
        Align(landmarker, backend, config.track),
        swapper,
        composite,
        clock,
        marks,
    )
    folder = Paths.default().identities

    def identity(wanted: IdentityConfig) -> Identity:
        loaded = load_identity(wanted, find, folder)
        swapper.prepare(loaded)  # here and now, on the caller's thread: the frame that first shows it pays nothing
        return loaded

    return Stages(pipeline, composite, identity)


def _learned(config: Config, backend: Backend) -> tuple[Detector, Landmarker, FaceFinder]:
    detect, store = config.detect, ModelStore.default()
    if store.recipe(detect.model).kind != "detector":
        known = ", ".join(name for name, recipe in sorted(store.recipes.items()) if recipe.kind == "detector")
        raise BadValue(f"detect.model = {detect.model!r} is no detector", hint=f"detectors: {known}, known")
    found = store.ensure([detect.model, LANDMARKER], auto_pull=config.auto_pull)
    engine = OrtEngine(found[0], threads=config.runtime.threads)
    landmark_engine = OrtEngine(found[1], threads=config.runtime.threads, fixed={"batch_size": 1})
    detector = YuNet(engine, backend, size_px=detect.size, threshold=detect.threshold, max_faces=detect.max_faces)
    landmarker = OpenSeeFace(landmark_engine, backend)
    return detector, landmarker, PhotoSearch(backend, engine, landmarker)


def _known(config: Config) -> tuple[Detector, Landmarker, FaceFinder]:
    """For synthetic pictures: no model at all."""

    def find(rgb: U8) -> list[tuple[F32, F32, F32]]:
        raise BadValue(
            "detect.model = 'known' cannot find the face of a photo",
            hint="use --face synthetic:SEED, or detect.model = 'yunet'",
        )

    return KnownFaces(), KnownLandmarks(), find


class _NoFaces:
    def begin(self, lane: Lane, picture: Picture) -> None: ...

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        return Faces.none()


class _NoCrops:
    def begin(self, lane: Lane, picture: Picture) -> None: ...

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int) -> Crops:
        return []


def _null_stages(config: Config, clock: Clock, marks: Callable[[], list[Bitmap]]) -> Stages:
    """A session without pixels: sources, threads, mailboxes and sinks are real, nothing is found or swapped."""
    backend = NullBackend()
    composite = Composite(backend, config.privacy)

    def swap(lane: Lane, crops: Crops, identity: Identity, t_ns: int) -> Crops:
        return crops

    def identity(wanted: IdentityConfig) -> Any:
        return None

    return Stages(Pipeline(backend, _NoFaces(), _NoCrops(), swap, composite, clock, marks), composite, identity)
