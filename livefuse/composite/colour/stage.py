"""The colour stage: looks at faces before and after the swap, keeps what it measures steady, changes the swapped ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from livefuse.composite.colour import lattice, skin
from livefuse.composite.colour.base import Method, Seen
from livefuse.composite.colour.lattice import CELLS, FIELD_CELLS, Place
from livefuse.composite.colour.smooth import Follower
from livefuse.composite.profiles.face_shape import face_mask
from livefuse.composite.profiles.seam import seam_tint
from livefuse.device.base import Lane
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.swap.forget import forget, is_old

Extent = Literal["crop", "mask", "face"]
"""Which part of a crop changes: all of it; what its mask shows, where the rest is the target's own picture; or softly the
face alone, where masks are boxes that show the ground beside it."""

_TIGHTER = 1.6
_TINT_TIME = 0.5  # of the colours' own: the tint also makes up for what they lag behind
_LEAST = 0.05  # weight of a face that shows
# Another face is worn when the swapped one changes by so much from one frame to the next, and the target does not.
_JUMP, _STILL = 10.0, 3.0


@dataclass(slots=True)
class _Track:
    """What is known of one face: its map and the tint at its seam, the light's plane, mean levels of target and swapped
    face, when it was last seen, and the crop that was then worked on, whose `visible` a later stage may have set."""

    follower: Follower
    tint: Follower
    seen_ns: int
    slopes: F32 | None = None
    means: F32 | None = None
    last: tuple[Crop, Place] | None = None


@dataclass(frozen=True, slots=True)
class _Before:
    """A target's face: where its lattice lies, and its colours there (CELLS, CELLS, 3)."""

    place: Place
    image: U8


class Colour:
    """Gives swapped faces the target's colours by one method. Used by the pipeline's thread."""

    def __init__(
        self, method: Method, seconds: float, place: Callable[[Crop], Place], extent: Extent, seam: float = 0.0
    ) -> None:
        """`seam` 0..1 is how far colours meet at the seam, as the livefuse profile has it."""
        self._method, self._seconds, self._place, self._extent = method, seconds, place, extent
        self._seam = seam
        self._before: dict[int, _Before] = {}
        self._tracks: dict[int, _Track] = {}

    def begin(self, lane: Lane, crops: Crops) -> None:
        self._before.clear()
        for slot, crop in enumerate(crops):
            try:
                place = self._place(crop)
            except DegenerateFace:
                continue  # nothing can be put on it either
            kept = lane.buffer(f"colour.before.{slot}", (CELLS, CELLS, 3))
            np.copyto(kept, lattice.sampled(crop.image, place))
            self._before[crop.track] = _Before(place, kept)

    def __call__(self, lane: Lane, crops: Crops, t_ns: int) -> None:
        for crop in crops:
            before = self._before.get(crop.track)
            if crop.swapped and crop.mask is not None and before is not None:
                self._change(lane, crop, crop.mask, before, t_ns)
        forget(self._tracks, t_ns)

    def _change(self, lane: Lane, crop: Crop, mask: U8, before: _Before, t_ns: int) -> None:
        track, place = self._track(crop.track, t_ns), before.place
        shown = lattice.sampled(mask, place, cv2.BORDER_CONSTANT)
        weight = _unhidden(skin.bare(shown, place.cells_of(crop.points)), crop, place, track.last)
        track.last = crop, place
        if float(weight.max()) < _LEAST:
            return  # a mask that shows nothing
        seen = _seen(track, before.image, lattice.sampled(crop.image, place), weight)
        state = track.follower.follow(self._method.measure(seen), t_ns)
        image = crop.image if crop.fine is None else crop.fine
        changed = self._method.apply(lane, image, state, seen, place)
        if self._seam > 0 and crop.fine is None:
            # The profile's own tint, but after the colours that it goes by.
            toned = np.asarray(changed, np.uint8)
            face = lattice.sampled(toned, place).astype(np.float32) * np.float32(1 / 255)
            _add(lane, track.tint.follow(seam_tint(face, seen.target, shown, self._seam), t_ns), toned)
        self._put(lane, crop, mask, changed)

    def _track(self, number: int, t_ns: int) -> _Track:
        track = self._tracks.get(number)
        if track is None or is_old(track, t_ns):
            track = self._tracks[number] = _Track(Follower(self._seconds), Follower(self._seconds * _TINT_TIME), t_ns)
        track.seen_ns = t_ns
        return track

    def _put(self, lane: Lane, crop: Crop, mask: U8, changed: U8 | F32) -> None:
        image = crop.image if crop.fine is None else crop.fine
        if self._extent == "face":
            _blend(lane, changed, image, face_mask(crop.landmarks, image.shape[0]))
        elif self._extent == "mask":
            cv2.copyTo(changed, mask, image)
        else:
            np.copyto(image, changed)
        if crop.fine is not None:
            np.clip(crop.fine, 0, 255, out=crop.fine)
            np.copyto(crop.image, crop.fine, casting="unsafe")


def _add(lane: Lane, tint: F32, image: U8) -> None:
    """Shapes: tint (n, n, 3) over the whole of image (h, w, 3)."""
    wide = lane.buffer("colour.field", image.shape, np.float32)
    cv2.resize(tint, image.shape[1::-1], dst=wide, interpolation=cv2.INTER_LINEAR)
    cv2.add(image, wide, dst=image, dtype=cv2.CV_8U)


def _blend(lane: Lane, changed: U8 | F32, image: U8 | F32, face: U8) -> None:
    """Put the face of `changed` into a template crop. Shapes: images (h, w, 3), face 0..255 of any size."""
    size = image.shape[1::-1]
    weight, rest = (lane.buffer(f"colour.{name}", image.shape[:2], np.float32) for name in ("share", "rest"))
    # The mask's ramp lies inside the face, where its seam is; here there is none, only an outline.
    share = cv2.multiply(face, _TIGHTER / 255, dtype=cv2.CV_32F)
    cv2.min(cv2.resize(share, size, dst=weight, interpolation=cv2.INTER_LINEAR), 1.0, dst=weight)
    if image.dtype == np.uint8:
        cv2.subtract(1.0, weight, dst=rest)
        cv2.blendLinear(changed, image, weight, rest, dst=image)
        return
    # `blendLinear` divides by a little more than 1: floats are truncated later, and would lose a level.
    cv2.subtract(changed, image, dst=changed)
    cv2.multiply(changed, cv2.merge((weight,) * 3), dst=changed)
    cv2.add(image, changed, dst=image)


def _unhidden(weight: F32, crop: Crop, place: Place, last: tuple[Crop, Place] | None) -> F32:
    """The weight of what nothing hides, as it was a frame ago where masks are made later than colours; all of it where
    that leaves nothing to go by. Shapes: weight (CELLS, CELLS)."""
    if crop.visible is not None:
        last = crop, place
    if last is None or last[0].visible is None:
        return weight
    left = weight * _visible(last[0], last[0].visible, last[1])
    return left if float(left.max()) >= _LEAST else weight


def _visible(crop: Crop, visible: U8, place: Place) -> F32:
    """`visible` has a resolution of its own: the same part of the crop."""
    height, width = visible.shape
    scale = np.array([[width / crop.image.shape[1]], [height / crop.image.shape[0]]], np.float32)
    matrix = place.to_crop * scale
    matrix[:, 2:] += 0.5 * scale - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(visible, matrix, (CELLS, CELLS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return seen.astype(np.float32) * np.float32(1 / 255)


def _seen(track: _Track, target: U8, swapped: U8, weight: F32) -> Seen:
    half = (FIELD_CELLS, FIELD_CELLS)
    theirs, ours, field_weight = (
        np.asarray(cv2.resize(each, half, interpolation=cv2.INTER_AREA), np.float32)
        for each in (target, swapped, weight)
    )
    _note_another_face(track, theirs, ours, field_weight)
    plane = skin.plane_of(theirs, ours, field_weight, track.slopes)
    track.slopes = plane.slopes
    field_weight *= plane.trust
    weight *= cv2.resize(plane.trust, (CELLS, CELLS), interpolation=cv2.INTER_LINEAR)
    return Seen(target, swapped, weight, plane, theirs, ours, field_weight)


def _note_another_face(track: _Track, target: F32, swapped: F32, weight: F32) -> None:
    share = weight.reshape(-1) / max(float(weight.sum()), 1e-3)
    means = np.asarray([share @ image.reshape(-1, 3) for image in (target, swapped)], np.float32)
    if track.means is not None:
        moved = np.abs(means - track.means).max(axis=1)
        if moved[0] < _STILL and moved[1] > _JUMP:
            track.follower.restart()
            track.tint.restart()
            track.slopes = None
    track.means = means
