"""Which faces are swapped: makes the chooser that a configuration asks for, with the reference photos it goes by."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from livefuse.align.recogniser import Recogniser
from livefuse.config import Config
from livefuse.detect.choose import Chooser
from livefuse.detect.likeness import Likeness
from livefuse.device.base import Backend, Lane
from livefuse.engines import Engines
from livefuse.errors import NoFace
from livefuse.frame import F32, HostFrame
from livefuse.source.image import read_image
from livefuse.swap.identity import FaceFinder


class Casting:
    """Photos are looked at once; what is known of faces outlasts a change of choice."""

    def __init__(self, backend: Backend, engines: Engines, find: FaceFinder) -> None:
        self._backend, self._engines, self._find = backend, engines, find
        self._recognisers: dict[str, Recogniser] = {}
        self._likeness: dict[str, Likeness] = {}
        self._known: dict[tuple[str, str], F32] = {}

    def chooser(self, config: Config) -> Chooser:
        """Raises: NoFace, SourceError, ModelMissing, BadValue."""
        track = config.track
        wanted = [role.like for role in config.cast] or ([track.like] if track.faces == "like" and track.like else [])
        if not wanted and not track.verify:
            return Chooser(track)
        name = track.recogniser
        if name not in self._recognisers:
            recipe = self._engines.recipe(name, "recogniser", "track.recogniser")
            self._recognisers[name] = Recogniser(self._engines.load(recipe), self._backend, recipe)
            self._likeness[name] = Likeness(self._recognisers[name])
        return Chooser(
            track,
            likeness=self._likeness[name],
            references=np.concatenate([self._reference(name, photo) for photo in wanted]) if wanted else None,
            others=bool(config.cast) and bool(config.identity.photo) and track.faces == "all",
        )

    def _reference(self, recogniser: str, photo: str) -> F32:
        """The largest face of a photo. Shapes: -> (1, D)."""
        key = (recogniser, photo)
        if key not in self._known:
            rgb = read_image(Path(photo).expanduser())
            faces = self._find(rgb)
            if not faces:
                raise NoFace(f"{photo}: no face found to go by", hint="use a clear photo of the person to be swapped")
            points = max(faces, key=lambda face: float(np.prod(face[0][2:] - face[0][:2])))[1]
            lane = Lane(-1)
            picture = self._backend.upload(lane, HostFrame.of_rgb(rgb))
            self._known[key] = self._recognisers[recogniser].embed(lane, picture, np.asarray(points, np.float32)[None])
        return self._known[key]
