"""Where the tiles of a picture lie, and how what they show becomes one picture again.

A tile sees `overlap` px more on every side than it may write: what a network makes of pixels near the edge of its input is
thrown away. Beyond the picture's own edges it sees their mirror image. Neighbours write `fade` px both, and go over into
each other there. Sides and places are multiples of 4: networks that take 2 x 2 pixels as one see the same pairs in every
tile as in the whole picture, and every seam lies on the chroma grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.errors import BadValue
from livefuse.frame import F32, U8

GRID_PX = 4


class Span(NamedTuple):
    """One tile along one axis, px of the picture: it sees `side` px from `read` on, and writes `start` to `stop`, the first
    `fade` of them together with the tile before."""

    read: int
    start: int
    stop: int
    fade: int


@dataclass(frozen=True)
class Axis:
    """All tiles along one axis. `side` is what each of them sees."""

    side: int
    spans: tuple[Span, ...]

    @cached_property
    def tallest(self) -> int:
        """The most px that one tile writes."""
        return max(span.stop - span.start for span in self.spans)


def axis(length: int, side: int, overlap: int, fade: int, *, exact: bool = False) -> Axis:
    """Cover `length` px with as few tiles of at most `side` px as it takes, all of one size and no larger than need be;
    `exact` keeps them at `side`, for networks that take no other.

    Raises: BadValue where a tile would have nothing left to write.
    """
    side = side if exact else side // GRID_PX * GRID_PX
    _check(side, overlap, fade)
    count = _count(length, side - 2 * overlap, fade)
    if not exact:
        while _enough(length, side - GRID_PX, overlap, fade, count):
            side -= GRID_PX
    core = side - 2 * overlap
    starts = [i * _step(core, fade) for i in range(count - 1)]
    starts.append(min((count - 1) * _step(core, fade), _up(max(0, length - core))))
    seams = [0, *(_seam(before + core, after, fade) for before, after in pairwise(starts)), length]
    spans = [
        Span(start - overlap, seams[i], seams[i + 1] + (fade if i < count - 1 else 0), fade if i else 0)
        for i, start in enumerate(starts)
    ]
    return Axis(side, tuple(spans))


def facefusion_axis(length: int, tile: tuple[int, int, int]) -> Axis:
    """As FaceFusion cuts: the picture has `pad` px of black around it, each tile writes all but `overlap` px of its rim, no
    tile is shifted, nothing fades. Tiles of which nothing is seen in the end are left out.

    Source: FaceFusion `vision.py`, `create_tile_frames` and `merge_tile_frames`; the recipe's `tile`.
    """
    side, pad, overlap = tile
    step = side - 2 * overlap
    if step < 1 or pad < 0 or overlap < 0:
        raise BadValue(f"a tile of {side} px, {overlap} px of rim on each side", hint="it leaves nothing to write")
    spans = []
    for first in range(-pad, length + pad, step):
        start, stop = max(first, 0), min(first + step, length)
        if start < stop:
            spans.append(Span(first - overlap, start, stop, 0))
    return Axis(side, tuple(spans))


def least_side(overlap: int, fade: int) -> int:
    """The smallest tile whose fades do not meet."""
    return _up(2 * overlap + 3 * fade + 2 * GRID_PX)


def _check(side: int, overlap: int, fade: int) -> None:
    if overlap < 0 or fade < 0:
        raise BadValue(f"an overlap of {overlap} px", hint="0 or more")
    least = least_side(overlap, fade)
    if side < least:
        raise BadValue(f"a tile of {side} px with an overlap of {overlap} px", hint=f"at least {least} px")


def _up(length: int) -> int:
    return -(-length // GRID_PX) * GRID_PX


def _step(core: int, fade: int) -> int:
    return (core - fade) // GRID_PX * GRID_PX


def _count(length: int, core: int, fade: int) -> int:
    return 1 if length <= core else math.ceil((length - core) / _step(core, fade)) + 1


def _enough(length: int, side: int, overlap: int, fade: int, count: int) -> bool:
    """Whether that many tiles of that size cover it."""
    if side < least_side(overlap, fade) and count > 1:
        return False
    core = side - 2 * overlap
    return core > 0 and core + (count - 1) * max(0, _step(core, fade)) >= length


def _seam(end: int, start: int, fade: int) -> int:
    """Where the fade begins between a tile that may write up to `end` and one that may from `start` on: in the middle."""
    return start + (end - start - fade) // 2 // 2 * 2


def ramp(count: int) -> F32:
    """Shares of the tile that comes, 0..1 without the ends, over `count` px."""
    return ((np.arange(count) + 0.5) / max(count, 1)).astype(np.float32)


class Mosaic:
    """Puts tiles side by side into bands of finished rows, in the lane's memory: one row of tiles, never the picture."""

    def __init__(self, lane: Lane, down: Axis, width: int, scale: int) -> None:
        self.width, self._lane, self._scale = width, lane, scale
        self._band: U8 = lane.buffer("mosaic.band", (down.tallest * scale, width * scale, 3))
        self._kept = 0  # rows of the band before that have still to fade into this one

    def place(self, tile: U8, row: Span, col: Span) -> None:
        """Shapes: tile (rows, cols, 3), what the tile writes; tiles come from left to right."""
        fade, left = col.fade * self._scale, col.start * self._scale
        rows = self._band[: tile.shape[0]]
        rows[:, left + fade : left + tile.shape[1]] = tile[:, fade:]
        if fade:
            shares = np.broadcast_to(ramp(fade), (tile.shape[0], fade))
            part = rows[:, left : left + fade]
            part[...] = _mixed(part, tile[:, :fade], shares)

    def finished(self, row: Span, after: Span | None) -> tuple[int, U8]:
        """The first row, and rows that no later tile will change, once all tiles of `row` are placed; they are the caller's
        until the next tile is. `after` is the row of tiles below."""
        height = (row.stop - row.start) * self._scale
        band = self._band[:height]
        if self._kept:
            top = band[: self._kept]
            shares = np.broadcast_to(ramp(self._kept)[:, None], top.shape[:2])
            top[...] = _mixed(self._lane.buffer("mosaic.kept", top.shape), top, shares)
        self._kept = after.fade * self._scale if after else 0
        if self._kept:
            kept = self._lane.buffer("mosaic.kept", (self._kept, self.width * self._scale, 3))
            np.copyto(kept, band[height - self._kept :])
        return row.start * self._scale, band[: height - self._kept]


def _mixed(before: U8, after: U8, shares: F32) -> U8:
    """Where both are the same it is that, exactly."""
    share = np.ascontiguousarray(shares)
    mixed: U8 = cv2.blendLinear(np.ascontiguousarray(before), np.ascontiguousarray(after), 1 - share, share)
    return mixed
