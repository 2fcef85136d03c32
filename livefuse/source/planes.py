"""Decoded pictures as planes: views of the decoder's memory where the format allows, swscale's output where not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.plane import VideoPlane

from livefuse.frame import U8, Colour, PixelFormat, plane_shapes
from livefuse.source.colour import colour_of, rgb_colour

# Taken as they are; yuvj420p is FFmpeg's old name for full-range yuv420p.
_NATIVE: dict[str, PixelFormat] = {"yuv420p": "yuv420p", "yuvj420p": "yuv420p", "nv12": "nv12", "rgb24": "rgb24"}
_UNSPECIFIED = 2
_SWSCALE_MATRICES = {0, 1, 2, 4, 5, 6, 7, 9}  # it refuses H.273's others even where it would not use them


@dataclass(frozen=True, slots=True)
class Turn:
    """How a picture is made upright: first turned by `quarters` x 90 degrees counter-clockwise, then mirrored."""

    quarters: int = 0
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        return self.quarters % 2 == 1


def turn_of(frame: av.VideoFrame) -> Turn:
    """The turn that a frame's display matrix asks for; none without a matrix."""
    side_data: Any = frame.side_data  # PyAV's stub says TypedDict
    found = side_data.get(SideDataType.DISPLAYMATRIX)
    if found is None:
        return Turn()
    return turn_from(np.frombuffer(memoryview(found), np.int32).tolist())


def turn_from(matrix: Sequence[int]) -> Turn:
    """The nearest of the eight upright turns.

    Source: libavutil/display.h; the matrix (a b u, c d v, x y w) maps (p, q) to (a p + c q, b p + d q), q downwards.
    """
    a, b, c, d = (matrix[i] for i in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    if mirrored:  # undo the left-right flip that comes last
        a = -a
    if abs(b) > abs(a):
        return Turn(1 if b < 0 else 3, mirrored)
    return Turn(2 if a < 0 else 0, mirrored)


def format_for(frame: av.VideoFrame) -> PixelFormat:
    """The format in which this frame travels: its own if livefuse knows it, rgb24 for RGB kinds, else yuv420p."""
    native = _NATIVE.get(frame.format.name)
    if native is not None:
        return native
    return "rgb24" if frame.format.is_rgb or frame.format.has_palette else "yuv420p"


def colour_for(frame: av.VideoFrame) -> Colour:
    if format_for(frame) == "rgb24":
        return rgb_colour(frame.color_primaries, frame.color_trc)
    return colour_of(frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range, frame.format.name)


def planes_of(frame: av.VideoFrame, format: PixelFormat, width: int, height: int) -> tuple[U8, ...]:  # noqa: A002
    """The planes as read-only arrays that keep the decoder's frame alive.

    A frame of another size or kind, as streams may send midway, is scaled to what the source promised.
    """
    same = _NATIVE.get(frame.format.name) == format and (frame.width, frame.height) == (width, height)
    if not same or any(plane.line_size < 0 for plane in frame.planes):
        frame = _converted(frame, format, width, height)
    shapes = plane_shapes(format, height, width)
    return tuple(_view(plane, shape) for plane, shape in zip(frame.planes, shapes, strict=True))


def turned(planes: tuple[U8, ...], turn: Turn) -> tuple[U8, ...]:
    """Upright copies of the planes; the planes themselves if they are upright already."""
    if turn == Turn():
        return planes
    upright = (np.rot90(plane, turn.quarters) for plane in planes)
    return tuple(np.ascontiguousarray(plane[:, ::-1] if turn.mirrored else plane) for plane in upright)


def _converted(frame: av.VideoFrame, format: PixelFormat, width: int, height: int) -> av.VideoFrame:  # noqa: A002
    """Through swscale, which keeps matrix and range where none is asked for."""
    if frame.colorspace not in _SWSCALE_MATRICES:
        frame.colorspace = _UNSPECIFIED
    return frame.reformat(width=width, height=height, format=format)


def _view(plane: VideoPlane, shape: tuple[int, ...]) -> U8:
    row_bytes = math.prod(shape[1:])
    rows = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * shape[0]].reshape(shape[0], plane.line_size)
    view = rows[:, :row_bytes].reshape(shape)
    view.flags.writeable = False  # the decoder still predicts from this memory
    return view
