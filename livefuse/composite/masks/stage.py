"""The stage that says what of each face is swapped: networks start on the target, their answers shape the swapped crop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import cv2
import numpy as np

from livefuse.composite.masks.base import Masker, Visible
from livefuse.composite.masks.framing import Seen
from livefuse.composite.masks.parts import Networks, Parts
from livefuse.composite.masks.soft import NETWORK_GRID_PX
from livefuse.device.base import Lane, Picture
from livefuse.errors import DegenerateFace
from livefuse.frame import Crop, Crops
from livefuse.swap.forget import forget

F = TypeVar("F")


class Finish(Protocol[F]):
    """How masks are combined, and what of each face that needs to be kept (F)."""

    def new_face(self) -> F: ...

    def look(self, face: F, parts: Parts) -> None:
        """Take what the networks said anew."""
        ...

    def apply(self, lane: Lane, index: int, seen: Seen, face: F, t_ns: int) -> None:
        """Lower a swapped crop's mask, and set `Crop.visible`."""
        ...


@dataclass(slots=True)
class _Track(Generic[F]):
    face: F
    seen_ns: int
    is_new: bool = True


@dataclass(slots=True)
class _Begun:
    """A frame between `begin` and the swap. Crops go by identity: the swapper changes them in place."""

    faces: list[Seen] = field(default_factory=list)
    looked_at: list[Crop] = field(default_factory=list)
    parts: Callable[[], list[Parts]] = list
    estimates: Visible = list


class Masks(Generic[F]):
    """Used by the pipeline's thread.

    `every`: networks run on every n-th frame, and on any frame for a face that is new; between, a face's last mask moves
    along with it. `estimate` needs no weights and looks at every frame, or at every `estimate_every`-th. Both may be changed
    between two frames.
    """

    def __init__(self, networks: Networks, estimate: Masker | None, finish: Finish[F], *, every: int = 1) -> None:
        self.every, self.estimate, self.estimate_every = every, estimate, 1
        self._networks, self._finish = networks, finish
        self._tracks: dict[int, _Track[F]] = {}
        self._begun = _Begun()
        self._since = 0  # frames since the networks looked at all faces
        self._since_estimate = 0

    @property
    def has_networks(self) -> bool:
        return bool(self._networks)

    def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> None:
        forget(self._tracks, t_ns)
        self._begun = begun = _Begun([seen for crop in crops if (seen := self._seen(crop)) is not None])
        faces = [seen.crop for seen in begun.faces]
        tracks = [self._track(crop.track, t_ns) for crop in faces]
        self._since += 1
        everyone = self._since >= self.every
        self._since = 0 if everyone else self._since
        if self._networks:
            begun.looked_at = [crop for crop, track in zip(faces, tracks, strict=True) if everyone or track.is_new]
            begun.parts = self._networks.begin(lane, picture, begun.looked_at, NETWORK_GRID_PX)
        self._since_estimate += 1
        if self.estimate is not None and self._since_estimate >= self.estimate_every:
            self._since_estimate = 0
            begun.estimates = self.estimate.begin(lane, picture, faces, t_ns)

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> None:
        begun, self._begun = self._begun, _Begun()
        self._look(lane, begun)
        for seen, estimate in zip(begun.faces, begun.estimates(), strict=False):
            seen.estimate, seen.estimated = estimate, True
        known = {id(seen.crop): seen for seen in begun.faces}
        for index, crop in enumerate(crops):
            if crop.swapped and crop.mask is not None and id(crop) in known:
                before = cv2.sumElems(crop.mask)[0]
                self._finish.apply(lane, index, known[id(crop)], self._track(crop.track, t_ns).face, t_ns)
                if crop.visible is not None:
                    crop.hidden = 1 - cv2.sumElems(crop.mask)[0] / max(before, 1.0)

    def _look(self, lane: Lane, begun: _Begun) -> None:
        parts = begun.parts()
        swapped = [i for i, crop in enumerate(begun.looked_at) if crop.swapped]
        self._networks.parse(lane, [begun.looked_at[i] for i in swapped], [parts[i] for i in swapped])
        for crop, part in zip(begun.looked_at, parts, strict=True):
            track = self._tracks[crop.track]
            self._finish.look(track.face, part)
            # what was not swapped was not parsed either
            track.is_new = self._networks.parser is not None and not crop.swapped

    def _seen(self, crop: Crop) -> Seen | None:
        if not np.isfinite(crop.landmarks).all():
            return None
        try:
            return Seen(crop, self._networks.framing.to_square(crop, 1))
        except DegenerateFace:
            return None  # nothing to align by: no mask for it, as no landmark swapper swaps it either

    def _track(self, number: int, t_ns: int) -> _Track[F]:
        track = self._tracks.pop(number, None) or _Track(self._finish.new_face(), t_ns)
        track.seen_ns = t_ns
        self._tracks[number] = track  # the longest unseen come first
        return track
