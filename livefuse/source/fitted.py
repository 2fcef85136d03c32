"""Fit frames of any size, format and colour into what a source declared before it had seen any.

Sources that wait for somebody to send to them (RTMP and RTSP listeners, WebRTC publishers) must say at once what they
will deliver, because a session's sinks cannot change their size while they run.
"""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from livefuse.frame import U8, Colour, HostFrame
from livefuse.pool import FramePool
from livefuse.source.planes import planes_of

HD_COLOUR = Colour("bt709", False, 1, 1, 1)
"""What cameras and streaming programs send today, with the H.273 tags that say so."""

_SWS_MATRIX = {"bt601": 5, "bt709": 1, "bt2020": 9}  # libswscale SWS_CS_*
_LIMITED, _FULL = 1, 2


class Fitted:
    """Makes every frame yuv420p of one size and colour: scaled to fit, black around it. One thread.

    A frame that is so already passes untouched; others cost one pass of swscale.
    """

    def __init__(self, width: int, height: int, colour: Colour = HD_COLOUR) -> None:
        self.width, self.height, self.colour = width, height, colour
        self._pool = FramePool("yuv420p", height, width)
        self._reformatter = VideoReformatter()

    def fit(self, frame: HostFrame) -> HostFrame:
        like = (frame.width, frame.height) == (self.width, self.height) and frame.format == "yuv420p"
        if like and _numbers(frame.colour) == _numbers(self.colour):
            return frame if frame.colour == self.colour else replace(frame, colour=self.colour)
        x, y, w, h = self._box(frame)
        scaled = planes_of(self._scaled(frame, w, h), "yuv420p", w, h)
        planes = self._pool.take()
        for i, (ours, theirs) in enumerate(zip(planes, scaled, strict=True)):
            if (w, h) != (self.width, self.height):
                ours.fill(128 if i else 0 if self.colour.full_range else 16)
            top, left = (y, x) if i == 0 else (y // 2, x // 2)
            ours[top : top + theirs.shape[0], left : left + theirs.shape[1]] = theirs
        return replace(
            frame, planes=planes, format="yuv420p", width=self.width, height=self.height, colour=self.colour, truth=None
        )

    def _box(self, frame: HostFrame) -> tuple[int, int, int, int]:
        """Where the picture goes, on the chroma grid."""
        scale = min(self.width / frame.width, self.height / frame.height)
        w, h = _even(frame.width * scale, self.width), _even(frame.height * scale, self.height)
        return (self.width - w) // 4 * 2, (self.height - h) // 4 * 2, w, h

    def _scaled(self, frame: HostFrame, width: int, height: int) -> av.VideoFrame:
        picture = av.VideoFrame(frame.width, frame.height, frame.format)
        for plane, ours in zip(picture.planes, frame.planes, strict=True):
            rows: U8 = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            np.copyto(rows[:, : ours.size // plane.height], ours.reshape(plane.height, -1))
        rgb = frame.format == "rgb24"
        return self._reformatter.reformat(
            picture,
            width=width,
            height=height,
            format="yuv420p",
            src_colorspace=_SWS_MATRIX[self.colour.matrix if rgb else frame.colour.matrix],
            dst_colorspace=_SWS_MATRIX[self.colour.matrix],
            src_color_range=_FULL if rgb or frame.colour.full_range else _LIMITED,
            dst_color_range=_FULL if self.colour.full_range else _LIMITED,
            threads=1,
        )


def _numbers(colour: Colour) -> tuple[str, bool]:
    """What decides which light a YUV triple means; tags only describe it."""
    return colour.matrix, colour.full_range


def _even(length: float, most: int) -> int:
    return min(most, max(2, round(length / 2) * 2))
