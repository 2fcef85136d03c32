"""The synthetic camera as a source: frames on demand, the same bytes for the same URL and index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8, HostFrame
from livefuse.source.base import SourceInfo
from livefuse.source.synthetic.background import Drift, paint_room
from livefuse.source.synthetic.blocks import Stamp, draw_blocks
from livefuse.source.synthetic.body import paint_body
from livefuse.source.synthetic.hand import Hand
from livefuse.source.synthetic.identity import identity_of
from livefuse.source.synthetic.options import SyntheticOptions, parse_synthetic
from livefuse.source.synthetic.person import Person, Place
from livefuse.source.synthetic.planes import COLOUR, Planes, blend, to_planes
from livefuse.source.synthetic.pose import PIVOT
from livefuse.source.synthetic.truth import Cover, SyntheticTruth, truth_of

_HEAD_ROOM_CM, _PERSON_CM = 44.0, 31.0
_GRAIN_MARGIN_PX = 64
_STAGE_PX = 1280


class SyntheticSource:
    """Not live: it delivers as fast as it is asked, and the session paces it."""

    info: SourceInfo

    def __init__(self, source: str | SyntheticOptions) -> None:
        self.options = options = parse_synthetic(source) if isinstance(source, str) else source
        url = source if isinstance(source, str) else options.url()
        length_ns = round(options.frames / options.fps * 1_000_000_000)
        self.info = SourceInfo(
            url, options.width, options.height, options.fps, "yuv420p", COLOUR, False, options.frames, length_ns
        )
        self._next = 0
        self._closed = False
        places = _places(options)
        with ThreadPoolExecutor(max(1, min(len(places), os.cpu_count() or 1))) as painting:
            people = [
                painting.submit(Person, place, options.seed + i, options.motion) for i, place in enumerate(places)
            ]
            self._plate, self._drift = _stage(options, places)
        self._people = [person.result() for person in people]
        first = self._people[0] if self._people else None
        self._hand = Hand(first.identity, first.px_per_cm * 1.08) if options.hand and first else None
        self._grain = _grain(options)

    def read(self) -> HostFrame | None:
        """The next frame; None after `frames` of them or once closed."""
        if self._closed or (self.options.frames and self._next >= self.options.frames):
            return None
        frame = self.frame(self._next)
        self._next += 1
        return frame

    def frame(self, index: int) -> HostFrame:
        """Any frame by its index; it depends on nothing but the options and the index."""
        options = self.options
        t_s = float(index / options.fps)
        planes: Planes = (self._plate[0].copy(), self._plate[1].copy(), self._plate[2].copy())
        self._drift.add(planes[0], t_s)
        truth = self._draw_people(planes, t_s)
        self._add_grain(planes[0], index)
        pts_ns = round(index / options.fps * 1_000_000_000)
        duration_ns = round((index + 1) / options.fps * 1_000_000_000) - pts_ns
        return HostFrame(
            planes, "yuv420p", options.width, options.height, pts_ns, duration_ns, index, colour=COLOUR, truth=truth
        )

    def stamp(self, frame: HostFrame) -> None:
        """With `blocks`, write the frame's number and its scheduled instant into its corner: both are known only now."""
        if self.options.blocks:
            draw_blocks(frame.planes, Stamp.of(frame.seq, frame.scheduled_ns))

    def close(self) -> None:
        self._closed = True

    def _draw_people(self, planes: Planes, t_s: float) -> SyntheticTruth:
        found: list[F32] = []
        facing: list[npt.NDArray[np.bool_]] = []
        for person in self._people:
            patch, landmarks, seen = person.draw(t_s)
            blend(planes, patch.rgb, patch.alpha, patch.x, patch.y)
            found.append(landmarks)
            facing.append(seen)
        cover = self._draw_hand(planes, t_s)
        n = len(found)
        landmarks = np.stack(found) if n else np.empty((0, 66, 2), np.float32)
        seen = np.stack(facing) if n else np.empty((0, 66), np.bool_)
        seeds = self.options.identity_seeds()
        return truth_of(self.options.width, self.options.height, landmarks, seen, seeds, cover)

    def _draw_hand(self, planes: Planes, t_s: float) -> Cover | None:
        if self._hand is None:
            return None
        person = self._people[0]
        shown = self._hand.at(t_s, person.x_px, person.y_px - 4 * person.px_per_cm)
        if shown is None:
            return None
        x, y, rgb, alpha = shown
        blend(planes, rgb, alpha, x, y)
        return Cover(x, y, alpha)

    def _add_grain(self, luma: U8, index: int) -> None:
        if self._grain is None:
            return
        # a multiplicative hash of the index: cheap, and no two neighbours share an offset
        x, y = (index * 2654435761 >> 7) % _GRAIN_MARGIN_PX, (index * 40503 >> 3) % _GRAIN_MARGIN_PX
        brighter, darker = (g[y : y + luma.shape[0], x : x + luma.shape[1]] for g in self._grain)
        cv2.add(luma, brighter, dst=luma)
        cv2.subtract(luma, darker, dst=luma)


def _places(options: SyntheticOptions) -> list[Place]:
    n = options.faces
    if not n:
        return []
    scale = min(options.height / _HEAD_ROOM_CM, options.width / (_PERSON_CM * n))
    places = []
    for i, seed in enumerate(options.identity_seeds()):
        depth = 1.0 if n == 1 else (1.0, 0.9, 0.95)[i % 3]
        x = options.width * (i + 0.5) / n
        eyes_y = options.height * 0.41 + (1 - depth) * 20 * scale
        places.append(Place(identity_of(seed), x, eyes_y + float(PIVOT[1]) * scale * depth, scale * depth))
    return places


def _stage(options: SyntheticOptions, places: Sequence[Place]) -> tuple[Planes, Drift]:
    """Everything that never moves, as planes, and the lights behind it.

    Larger pictures enlarge it: it lies out of focus, and painting it in full would take seconds.
    """
    shrink = min(1.0, _STAGE_PX / max(options.height, options.width))
    size = round(options.width * shrink), round(options.height * shrink)
    picture = paint_room(size[1], size[0], options.seed)
    behind = np.ones(picture.shape[:2], np.float32)
    for p in places:
        k = p.px_per_cm * shrink
        behind *= 1 - paint_body(picture, p.identity, p.x_px * shrink, p.y_px * shrink - float(PIVOT[1]) * k, k)
    full = options.width, options.height
    picture, behind = (cv2.resize(c, full, interpolation=cv2.INTER_CUBIC) for c in (picture, behind))
    return to_planes(picture), Drift(options.height, options.width, behind, options.seed, options.motion)


def _grain(options: SyntheticOptions) -> tuple[U8, U8] | None:
    if options.noise <= 0:
        return None
    rng = np.random.default_rng([options.seed, 83])
    shape = (options.height + _GRAIN_MARGIN_PX, options.width + _GRAIN_MARGIN_PX)
    sensor = np.round(rng.standard_normal(shape, np.float32) * np.float32(6 * options.noise))
    return np.clip(sensor, 0, 255).astype(np.uint8), np.clip(-sensor, 0, 255).astype(np.uint8)
