"""A host frame in FFmpeg's memory: one copy of its planes, and a conversion only where the encoder wants another format."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from livefuse.frame import U8, Colour, HostFrame, PixelFormat

_SWS_MATRIX = {"bt601": 5, "bt709": 1, "bt2020": 9}  # libswscale SWS_CS_*


class Picture:
    """One picture of FFmpeg's, filled again for every frame. `colour` says how the frames' numbers mean light, `target`
    which pixel format comes out, in `target_colour` if that differs."""

    def __init__(
        self,
        width: int,
        height: int,
        format: PixelFormat,  # noqa: A002
        target: str,
        colour: Colour,
        target_colour: Colour | None = None,
    ) -> None:
        self._picture = VideoFrame(width, height, format)
        self._colour, self._target_colour = colour, target_colour or colour
        same = target == format and (self._target_colour.matrix, self._target_colour.full_range) == (
            colour.matrix,
            colour.full_range,
        )
        self._target = None if same else target
        self._reformatter = VideoReformatter()

    def filled(self, frame: HostFrame) -> VideoFrame:
        """The frame in FFmpeg's memory. One picture serves all frames: encoders that still hold the last one (frame
        threads) make `make_writable` hand out fresh memory, so its planes are looked up again."""
        self._picture.make_writable()
        for ours, theirs in zip(plane_views(self._picture), frame.planes, strict=True):
            np.copyto(ours, theirs.reshape(ours.shape))
        if self._target is None:
            return self._picture
        return self._reformatter.reformat(
            self._picture,
            format=self._target,
            src_colorspace=_SWS_MATRIX[self._colour.matrix],
            dst_colorspace=_SWS_MATRIX[self._target_colour.matrix],
            src_color_range=2 if frame.format == "rgb24" or self._colour.full_range else 1,
            dst_color_range=2 if self._target_colour.full_range else 1,
            threads=1,
        )


def plane_views(picture: VideoFrame) -> tuple[U8, ...]:
    """Arrays over FFmpeg's memory, without the padding at the end of its rows."""
    views = []
    for plane in picture.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        samples = {"rgb24": 3, "nv12": 1 if plane.width == picture.width else 2}.get(picture.format.name, 1)
        views.append(rows[:, : plane.width * samples])
    return tuple(views)
