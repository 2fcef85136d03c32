"""Enlarges pictures with an upscaling network, tile by tile: any size, in memory that depends on the tile.

What is held of a picture: one row of tiles in bytes, two tiles in floats, and whatever the caller does with finished rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.engines import Engines
from livefuse.enhance.upscale.tiles import Axis, Mosaic, Span, axis, facefusion_axis
from livefuse.errors import BadValue, RecipeInvalid
from livefuse.frame import F32, U8
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob
from livefuse.swap.neural.swapper import named
from livefuse.weights.bind import bound
from livefuse.weights.recipe import Recipe

_SIDE_PX = 256
_OVERLAP_PX = 16
_FADE_PX = 8
_POLL_S = 0.1

Rows: TypeAlias = Callable[[int, int], U8]
"""Rows `top` to `bottom` of a picture, RGB (bottom - top, W, 3); good until the next call."""
_Tile: TypeAlias = tuple[Span, Span]


@dataclass(frozen=True, slots=True)
class Cutting:
    """How pictures are cut; what is None comes from the recipe.

    `tile` is the side of a tile, `overlap` how much of it on every side is only looked at; px. `tiling` "facefusion" gives
    exactly that program's picture: its tiles, black around the picture, hard seams, values cut off instead of rounded.
    `batch` tiles run at once where the network takes several.
    """

    tile: int | None = None
    overlap: int | None = None
    tiling: Literal["livefuse", "facefusion"] = "livefuse"
    batch: int = 1


class Band(NamedTuple):
    """Finished rows of the enlarged picture from row `top` on; they are the caller's until the next ones are asked for.

    Shapes: rgb (rows, W * scale, 3) uint8.
    """

    top: int
    rgb: U8


class Upscaler:
    """Runs one network over pictures of any size. Not for several threads at once.

    `between` is called while tiles are being worked on, every 0.1 s at least where the engine has a thread of its own: what
    it raises ends the picture. `done` and `total` count the tiles of the present one.
    Raises: BadValue for tiles that cannot be, RecipeInvalid for a recipe that is not an upscaler's.
    """

    def __init__(
        self,
        recipe: Recipe,
        engine: Engine,
        cutting: Cutting | None = None,
        *,
        between: Callable[[], None] | None = None,
    ) -> None:
        recipe = bound(recipe, engine.inputs, engine.outputs) if engine.outputs else recipe
        if recipe.scale is None or recipe.layout != "nchw":
            raise RecipeInvalid(f"{recipe.name} is no upscaler's recipe", hint="it needs `scale`, and layout nchw")
        self.scale, self.done, self.total = recipe.scale, 0, 0
        self.between = between or _go_on
        self._engine, self._cutting = engine, cutting or Cutting()
        self._image, self._larger = named(recipe.inputs, "image"), named(recipe.outputs, "face")
        self._blob, self._result, self._recipe = Blob(recipe.normalisation), recipe.result, recipe
        self._lane = Lane(0)
        self._batch, self._fixed = self._sizes()
        self._axes(1, 1)  # says now what is wrong with the tiles

    def __call__(self, rgb: U8, *, out: U8 | None = None) -> U8:
        """The picture, enlarged, in `out` where given. Shapes: rgb (H, W, 3) -> (H * scale, W * scale, 3) uint8."""
        height, width = rgb.shape[:2]
        shape = (height * self.scale, width * self.scale, 3)
        out = np.empty(shape, np.uint8) if out is None else out
        if out.shape != shape or out.dtype != np.uint8:
            raise BadValue(f"room of shape {out.shape} and type {out.dtype}", hint=f"give {shape} uint8")
        for top, band in self.bands(lambda first, last: rgb[first:last], height, width):
            out[top : top + len(band)] = band
        return out

    def bands(self, rows: Rows, height: int, width: int) -> Iterator[Band]:
        """The enlarged picture from top to bottom. Bands begin on even rows. Raises: EngineFailed."""
        down, across = self._axes(height, width)
        tiles: list[_Tile] = [(row, col) for row in down.spans for col in across.spans]
        below = dict(zip(down.spans, [*down.spans[1:], None], strict=True))
        reader = _Reader(rows, (height, width), (down.side, across.side), self._lane, mirrored=self._is_ours)
        mosaic = Mosaic(self._lane, down, width, self.scale)
        self.done, self.total = 0, len(tiles)
        running: deque[tuple[list[_Tile], Future[Outputs]]] = deque()
        for slot, group in enumerate(tiles[i : i + self._batch] for i in range(0, len(tiles), self._batch)):
            running.append((group, self._start(slot % 2, reader, group)))
            if len(running) == 2:
                yield from self._place(*running.popleft(), mosaic, reader.sides, below)
        while running:
            yield from self._place(*running.popleft(), mosaic, reader.sides, below)

    def _place(
        self,
        group: list[_Tile],
        future: Future[Outputs],
        mosaic: Mosaic,
        sides: tuple[int, int],
        below: dict[Span, Span | None],
    ) -> Iterator[Band]:
        """Put a group's tiles in their places; the bands that are finished by that."""
        for planes, (row, col) in zip(self._wait(future)[self._larger], group, strict=False):
            mosaic.place(self._bytes(planes, row, col, sides), row, col)
            self.done += 1
            if col.stop == mosaic.width:
                yield Band(*mosaic.finished(row, below[row]))

    @property
    def _is_ours(self) -> bool:
        return self._cutting.tiling == "livefuse"

    def _axes(self, height: int, width: int) -> tuple[Axis, Axis]:
        cutting, stated = self._cutting, self._recipe.tile
        if not self._is_ours:
            if stated is None and (cutting.tile is None or cutting.overlap is None):
                raise BadValue(f"{self._recipe.name} states no tiles of FaceFusion's", hint="give tile and overlap")
            side, pad, rim = stated or (_SIDE_PX, 16, 8)
            tile = (cutting.tile or side, pad, rim if cutting.overlap is None else cutting.overlap)
            return facefusion_axis(height, tile), facefusion_axis(width, tile)
        side = cutting.tile or (stated[0] if stated else _SIDE_PX)
        overlap = cutting.overlap
        if overlap is None:
            overlap = max(_OVERLAP_PX, 2 * stated[2] if stated else 0)
        down, across = (
            axis(length, size or side, overlap, _FADE_PX, exact=size is not None)
            for length, size in zip((height, width), self._fixed, strict=True)
        )
        return down, across

    def _sizes(self) -> tuple[int, tuple[int | None, int | None]]:
        """Tiles a run, and the height and width that the network insists on."""
        batch, _, *sides = self._engine.inputs[self._image]
        height, width = (size if isinstance(size, int) else None for size in sides)
        wanted = self._cutting.tile
        if wanted is not None and any(size not in (None, wanted) for size in (height, width)):
            raise BadValue(f"tile = {wanted}", hint=f"{self._recipe.name} takes {height} x {width} px only")
        return batch if isinstance(batch, int) else max(1, self._cutting.batch), (height, width)

    def _start(self, slot: int, reader: _Reader, group: list[_Tile]) -> Future[Outputs]:
        """A group that is smaller than the others runs at their size: what is left over shows the tiles of an earlier one."""
        shape = (self._batch, *self._blob.shape(*reader.sides))
        images: F32 = self._lane.buffer(f"upscale.images.{slot}", shape, np.float32)
        for (row, col), image in zip(group, images, strict=False):
            self._blob.fill(reader(row, col), image)
        return self._engine.submit(self._lane, {self._image: images})

    def _wait(self, future: Future[Outputs]) -> Outputs:
        while True:
            self.between()
            try:
                return future.result(_POLL_S)
            except TimeoutError:
                if future.done():
                    raise

    def _bytes(self, planes: F32, row: Span, col: Span, sides: tuple[int, int]) -> U8:
        """What a tile writes. Shapes: planes (3, h * scale, w * scale) -> (rows, cols, 3)."""
        k, wanted = self.scale, (3, sides[0] * self.scale, sides[1] * self.scale)
        if planes.shape != wanted:
            raise RecipeInvalid(
                f"{self._recipe.name} made {planes.shape} of {sides[0]} x {sides[1]} px, its recipe says {wanted}",
                hint="check `scale` in the recipe",
            )
        top, left = (row.start - row.read) * k, (col.start - col.read) * k
        shape = ((row.stop - row.start) * k, (col.stop - col.start) * k, 3)
        part = planes[:, top : top + shape[0], left : left + shape[1]]
        if self._result.order == "bgr":
            part = part[::-1]
        whole: F32 = cv2.merge(list(part), dst=self._lane.buffer("upscale.floats", shape, np.float32))
        out: U8 = self._lane.buffer("upscale.bytes", shape)
        gain, offset = 255 * self._result.gain, 255 * self._result.offset
        if self._is_ours:
            cv2.addWeighted(whole, gain, whole, 0, offset, dst=out, dtype=cv2.CV_8U)  # rounds, and saturates
        else:
            whole *= np.float32(gain)
            whole += np.float32(offset)
            np.copyto(out, np.clip(whole, 0, 255, out=whole), casting="unsafe")
        return out


class _Reader:
    """Cuts tiles out of a picture that is read row of tiles by row of tiles."""

    def __init__(
        self, rows: Rows, size: tuple[int, int], sides: tuple[int, int], lane: Lane, *, mirrored: bool
    ) -> None:
        self.sides = sides
        self._rows, self._size, self._lane = rows, size, lane
        self._border = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_CONSTANT
        self._row: Span | None = None
        self._band: U8 = np.empty((0, 0, 3), np.uint8)

    def __call__(self, row: Span, col: Span) -> U8:
        """Shapes: -> (*sides, 3)."""
        (height, width), (tall, wide) = self._size, self.sides
        if row is not self._row:
            self._row, self._band = row, self._rows(max(row.read, 0), min(row.read + tall, height))
        part = self._band[:, max(col.read, 0) : min(col.read + wide, width)]
        above, left = max(0, -row.read), max(0, -col.read)
        below, right = tall - above - part.shape[0], wide - left - part.shape[1]
        if not (above or left or below or right):
            return part
        tile = self._lane.buffer("upscale.tile", (tall, wide, 3))
        filled: U8 = cv2.copyMakeBorder(part, above, below, left, right, self._border, dst=tile, value=(0, 0, 0))
        return filled


def make_upscaler(
    name: str, engines: Engines, cutting: Cutting | None = None, *, between: Callable[[], None] | None = None
) -> Upscaler:
    """The upscaler of a recipe. Raises: ModelMissing, DownloadFailed, EngineFailed, BadValue, RecipeInvalid."""
    recipe = engines.recipe(name, "upscaler", "output.upscale")
    return Upscaler(recipe, engines.load(recipe), cutting, between=between)


def _go_on() -> None:
    """Nobody wants to stop."""
