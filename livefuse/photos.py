"""Models that look at photos: some find the faces in them, one tells whose they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.align.make import fixed_axes, make_landmarker
from livefuse.align.recogniser import Recogniser
from livefuse.align.stage import Landmarker
from livefuse.config import Config
from livefuse.detect.make import make_detector
from livefuse.detect.network import NetworkDetector
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.errors import BadValue
from livefuse.frame import F32, U8, Faces, HostFrame
from livefuse.swap.identity import Embed, FaceFinder, Shot

DETECTOR, LANDMARKER, RECOGNISER = "yunet_n", "openseeface_lm0", "mobilefacenet"
"""Whatever a session runs on: an identity must not depend on it, and the mesh swapper wants these landmarks."""

# Photos get a finer search than video: it happens once, and the face may be small in an 8K picture.
_SEARCH_PX = (640, 1280)
_THRESHOLD, _MOST_FACES = 0.6, 32


class PhotoSearch:
    """Faces with landmarks in one picture, for identity photos. The detectors look in turn until one finds a face."""

    def __init__(self, backend: Backend, detectors: Sequence[NetworkDetector], landmarker: Landmarker) -> None:
        self._backend, self._detectors, self._landmarker = backend, detectors, landmarker

    def __call__(self, rgb: U8) -> list[tuple[F32, F32, F32]]:
        lane = Lane(0)
        picture = self._backend.upload(lane, HostFrame.of_rgb(rgb))
        faces = Faces.none()
        for detector in self._detectors:
            faces = detector(lane, picture)
            if len(faces):
                break
        if not len(faces):
            return []
        landmarks, _ = self._landmarker(lane, picture, faces.points, None)
        return [(faces.boxes[i], faces.points[i], landmarks[i]) for i in range(len(faces))]


class PhotoRecogniser:
    """Embeddings of identity shots, to tell one person's photos from another's."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser

    def __call__(self, shots: Sequence[Shot]) -> F32:
        """Shapes: N shots -> (N, D). Raises: DegenerateFace."""
        lane = Lane(0)
        rows = [self._recogniser.embed(lane, _picture(shot.image), shot.points[None]) for shot in shots]
        return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)


def photo_finder(config: Config, backend: Backend | None = None, engines: Engines | None = None) -> FaceFinder:
    """Finds faces with landmarks in photos. Its models are loaded when the first photo comes, and fetched before that when
    they lack and `auto_pull` is on.

    Raises, when called: ModelMissing, ModelCorrupt, DownloadFailed, EngineFailed.
    """
    if config.detect.model == "known":
        return _no_search
    loaded: list[PhotoSearch] = []

    def find(rgb: U8) -> list[tuple[F32, F32, F32]]:
        if not loaded:
            loaded.append(_search(backend or CpuBackend(), engines or Engines(config)))
        return loaded[0](rgb)

    return find


def _search(backend: Backend, engines: Engines) -> PhotoSearch:
    detect, place = engines.store.recipe(DETECTOR), engines.store.recipe(LANDMARKER)
    engines.require([detect, place])
    engine = engines.load(detect)
    detectors = [
        make_detector(detect, engine, backend, size_px=px, threshold=_THRESHOLD, max_faces=_MOST_FACES)
        for px in _SEARCH_PX
    ]
    landmarker = make_landmarker(place, engines.load(place, fixed=fixed_axes(place)), backend)
    return PhotoSearch(backend, detectors, landmarker)


def photo_embedder(config: Config, backend: Backend | None = None, engines: Engines | None = None) -> Embed:
    """Loads the recogniser when the first shots come, so that who brings one photo needs no such model.

    Raises, when called: ModelMissing, ModelCorrupt, DownloadFailed, EngineFailed.
    """
    loaded: list[PhotoRecogniser] = []

    def embed(shots: Sequence[Shot]) -> F32:
        if not loaded:
            held = engines or Engines(config)
            recipe = held.store.recipe(RECOGNISER)
            loaded.append(PhotoRecogniser(Recogniser(held.load(recipe), backend or CpuBackend(), recipe)))
        return loaded[0](shots)

    return embed


def _no_search(rgb: U8) -> list[tuple[F32, F32, F32]]:
    """For synthetic pictures: no model at all."""
    raise BadValue(
        "detect.model = 'known' cannot find the face of a photo",
        hint="use --face synthetic:SEED, or detect.model = 'yunet'",
    )


def _picture(rgb: U8) -> Picture:
    frame = HostFrame.of_rgb(rgb)
    return Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)
