"""The pictures that a conversion is calibrated and judged on, with the faces in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from livefuse.config import Config
from livefuse.detect.make import make_detector
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.errors import EmptySource, NoFace, SourceError, SourceNotFound
from livefuse.frame import F32, HostFrame
from livefuse.source import open_source
from livefuse.source.container import head_of
from livefuse.source.image import read_image
from livefuse.source.sniff import picture_in
from livefuse.swap.identity.sampling import sampled_frames
from livefuse.weights.store import ModelStore

DETECTOR, LOOK_PX, THRESHOLD, MOST_FACES = "yunet_n", 640, 0.6, 8
_SYNTHETIC_PEOPLE = 8
_HELD_OUT = 3
"""One in so many pictures is judged on."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and the five points of each face in it. Shapes: points (N, 5, 2), frame px."""

    frame: HostFrame
    points: F32

    @property
    def picture(self) -> Picture:
        return picture_of(self.frame)


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """`source` says in words where the scenes are from; `apart` is False where the same ones had to serve for both."""

    calibration: tuple[Scene, ...]
    judging: tuple[Scene, ...]
    source: str
    apart: bool


def material(frames: Path | None, store: ModelStore, *, most: int) -> Material:
    """At most `most` scenes with a face: from a video, a folder of pictures or a picture; without, drawn ones.

    The last third is kept back for judging: other moments of a video, other pictures of a folder.
    Raises: SourceError, ModelMissing where the detector is not here, NoFace.
    """
    if frames is None:
        scenes = tuple(_drawn(most))
        calibration, judging = split(scenes)
        return Material(calibration, judging, f"{len(scenes)} drawn faces", apart=True)
    find = _Finder(store)
    looked = [Scene(frame, find(frame)) for frame in _frames(frames, most)]
    scenes = tuple(scene for scene in looked if len(scene.points))
    if not scenes:
        raise NoFace(
            f"no face in {len(looked)} pictures of {frames}",
            hint="take a video or pictures with faces of 80 px or more",
        )
    calibration, judging = split(scenes)
    return Material(calibration, judging, f"{len(scenes)} pictures of {frames.name}", apart=len(scenes) > 1)


def picture_of(frame: HostFrame) -> Picture:
    """A frame as the stages see it, without a copy: nothing here writes into it."""
    return Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)


def split(items: Sequence[T]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    """What to calibrate on and what to judge on; a single one must serve for both."""
    if len(items) == 1:
        return tuple(items), tuple(items)
    kept = math.ceil(len(items) / _HELD_OUT)
    return tuple(items[:-kept]), tuple(items[-kept:])


def _drawn(most: int) -> Iterator[Scene]:
    """Several people of the synthetic source, each at several moments."""
    people = min(_SYNTHETIC_PEOPLE, most)
    moments = max(1, most // people)
    for seed in range(people):
        source = open_source(f"synthetic:1280x720@2?seed={seed}&frames={moments}")
        while (frame := source.read()) is not None:
            yield Scene(frame, frame.truth.points)
        source.close()


def _frames(path: Path, most: int) -> Iterator[HostFrame]:
    if path.is_dir():
        pictures = [each for each in sorted(path.iterdir()) if _is_picture(each)]
        if not pictures:
            raise EmptySource(
                f"no picture in the folder {path}", hint="PNG, JPEG, WebP, BMP or TIFF; not in subfolders"
            )
        chosen = [pictures[i * len(pictures) // most] for i in range(most)] if len(pictures) > most else pictures
        yield from (HostFrame.of_rgb(read_image(each)) for each in chosen)
    elif not path.exists():
        raise SourceNotFound(f"there is no {path}", hint="name a video, a folder of pictures or a picture")
    elif _is_picture(path):
        yield HostFrame.of_rgb(read_image(path))
    else:
        yield from map(_own, sampled_frames(path, samples=most))


def _own(frame: HostFrame) -> HostFrame:
    """The decoder's planes are used again for later frames."""
    planes = tuple(plane.copy() for plane in frame.planes)
    return HostFrame(planes, frame.format, frame.width, frame.height, pts_ns=frame.pts_ns, colour=frame.colour)


def _is_picture(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        return picture_in(head_of(path)) is not None
    except SourceError:  # empty, or not ours to read: not a picture, whatever else it is
        return False


class _Finder:
    """Five points of the faces in a frame."""

    def __init__(self, store: ModelStore) -> None:
        engines, self._backend, self._lane = Engines(Config(), store), CpuBackend(), Lane(0)
        recipe = store.recipe(DETECTOR)
        self._detector = make_detector(
            recipe, engines.load(recipe), self._backend, size_px=LOOK_PX, threshold=THRESHOLD, max_faces=MOST_FACES
        )

    def __call__(self, frame: HostFrame) -> F32:
        return self._detector(self._lane, picture_of(frame)).points
