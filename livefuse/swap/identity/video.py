"""The best shots of one person in a video.

What is kept of a frame is the part around the face: neither bystanders nor rooms belong to an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.recogniser import SAME_PERSON
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import DegenerateFace, IdentityError, NoFace, SeveralFaces
from livefuse.frame import F32, U8, HostFrame
from livefuse.swap.identity import Embed, FaceFinder
from livefuse.swap.identity.embedding import groups_of, normed
from livefuse.swap.identity.face import area_px, around, choose, faces_in, shot_of, size_px
from livefuse.swap.identity.quality import BLURRED
from livefuse.swap.identity.sampling import SAMPLES, sampled_frames
from livefuse.swap.identity.taken import LeftOut, Taken, digested

SHOTS = 8
_CANDIDATES = 24  # shots held in memory while the rest of the video is looked at, some 5 MB each
_FACES_A_FRAME = 2
_LOOK_PX = 1280
_KEPT_FACE_PX = 1024  # larger faces are reduced before they are kept
_CLEARLY_MORE = 2.0


@dataclass(slots=True, eq=False)
class _Seen:
    """One face in one sampled frame; `taken` is dropped when enough better ones were seen."""

    frame: int
    area: float
    score: float
    vector: F32 | None
    taken: Taken | None


def shots_of_video(
    path: Path, find: FaceFinder, embed: Embed | None, index: int | None
) -> tuple[list[Taken], list[LeftOut]]:
    """At most `SHOTS` of the one person, in order of time. Raises: NoFace, SeveralFaces, SourceError."""
    eyes = _Eyes(path.name, find, embed, index)
    seen: list[_Seen] = []
    frames = 0
    for frame in sampled_frames(path, samples=SAMPLES):
        seen += eyes.look(frame, frames)
        frames += 1
        for one in sorted((s for s in seen if s.taken), key=lambda s: s.score, reverse=True)[_CANDIDATES:]:
            one.taken = None
    if not seen:
        raise eyes.error or NoFace(f"{path.name}: no face in {frames} frames", hint="use a frontal, well-lit video")
    person = seen if embed is None else _person(seen, path.name)
    held = [one.taken for one in person if one.taken]
    if not held:
        raise SeveralFaces(f"{path.name}: the person seen most is never seen well", hint="cut the video to the person")
    sharp = [taken for taken in held if taken.shot.quality.sharpness >= BLURRED] or held
    best = sorted(sharp, key=lambda taken: taken.shot.quality.score, reverse=True)[:SHOTS]
    best.sort(key=lambda taken: taken.shot.time_s or 0.0)
    return best, _account(path.name, frames, seen, person)


class _Eyes:
    """Looks at one frame after the other."""

    def __init__(self, source: str, find: FaceFinder, embed: Embed | None, index: int | None) -> None:
        self._source, self._find, self._embed, self._index = source, find, embed, index
        self._backend, self._lane = CpuBackend(), Lane(0)
        self.error: IdentityError | None = None

    def look(self, frame: HostFrame, number: int) -> list[_Seen]:
        picture = Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)
        seen = []
        try:
            for box in self._chosen(picture):
                seen.append(self._seen(picture, box, number, frame.pts_ns / 1e9))
        except (NoFace, SeveralFaces, DegenerateFace) as error:
            # Told only if no frame is better; that there are several faces says more than that there is none.
            if not isinstance(self.error, SeveralFaces):
                self.error = error
        return seen

    def _chosen(self, picture: Picture) -> Sequence[F32]:
        scale = min(1.0, _LOOK_PX / max(picture.width, picture.height))
        whole = self._part(picture, (0, 0, picture.width, picture.height), scale)
        boxes = [box / np.float32(scale) for box in faces_in(whole, self._find, self._source)]
        if self._index is not None or self._embed is None:
            return [choose(boxes, self._index, self._source)]
        return sorted(boxes, key=area_px, reverse=True)[:_FACES_A_FRAME]

    def _seen(self, picture: Picture, box: F32, number: int, time_s: float) -> _Seen:
        crop = around(box, (picture.height, picture.width))
        scale = min(1.0, _KEPT_FACE_PX / size_px(box))
        part = self._part(picture, crop, scale)
        inside = (box - np.array(crop[:2] * 2, np.float32)) * np.float32(scale)
        shot, framing = shot_of(part, inside, self._find, source=self._source, time_s=round(time_s, 3))
        png = png_of(part)
        vector = None if self._embed is None else normed(self._embed([shot]))[0]
        taken = Taken(digested(shot, png), framing, ".png", png=png)
        return _Seen(number, area_px(box), shot.quality.score, vector, taken)

    def _part(self, picture: Picture, crop: tuple[int, int, int, int], scale: float) -> U8:
        x1, y1, x2, y2 = crop
        out = np.empty((max(1, round((y2 - y1) * scale)), max(1, round((x2 - x1) * scale)), 3), np.uint8)
        shift = 0.5 * scale - 0.5
        to_part = np.array([[scale, 0, shift - x1 * scale], [0, scale, shift - y1 * scale]], np.float32)
        self._backend.warp(self._lane, picture, to_part, out)
        return out


def png_of(rgb: U8) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1])


def _person(seen: list[_Seen], source: str) -> list[_Seen]:
    """The person seen most, by time and size together, once a frame. Raises: SeveralFaces when two are."""
    vectors = np.stack([one.vector for one in seen if one.vector is not None])
    groups = sorted(groups_of(vectors, SAME_PERSON), key=lambda group: _weight(seen, group), reverse=True)
    first = groups[0]
    rivals = [group for group in groups if not group & first]
    if rivals and _weight(seen, first) <= _CLEARLY_MORE * _weight(seen, rivals[0]):
        raise SeveralFaces(
            f"{source}: several people, none clearly the main one",
            hint="cut the video to one person, or choose from the left with `--face-index N`",
        )
    return list(_largest_by_frame(seen, first).values())


def _weight(seen: list[_Seen], group: frozenset[int]) -> float:
    return sum(one.area for one in _largest_by_frame(seen, group).values())


def _largest_by_frame(seen: list[_Seen], group: frozenset[int]) -> dict[int, _Seen]:
    return {seen[i].frame: seen[i] for i in sorted(group, key=lambda i: seen[i].area)}


def _account(source: str, frames: int, seen: list[_Seen], person: list[_Seen]) -> list[LeftOut]:
    """What was left out, by number: forty lines about forty frames would tell nobody anything."""
    with_face = len({one.frame for one in seen})
    others = len({one.frame for one in seen} - {one.frame for one in person})
    told = [(frames - with_face, "without a usable face"), (others, "with another person only")]
    return [LeftOut(source, f"{n} of {frames} frames {what}") for n, what in told if n]
