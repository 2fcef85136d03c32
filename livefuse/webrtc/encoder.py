"""Live encoders: H.264 by hardware where it opens, else libx264; VP8. One frame in, one packet out, nothing held back.

The rate follows its target without a new encoder where FFmpeg can do so: libx264, if it was opened for constant bit rate at
the highest rate that will ever be asked for (a variable-rate x264 ignores later changes). Others are opened again when the
target has moved by a quarter.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from livefuse.frame import Colour, HostFrame
from livefuse.sinks.picture import Picture
from livefuse.webrtc.hardware import HARDWARE, SOFTWARE, TIME_BASE, h264_encoder, new_context
from livefuse.webrtc.rates import Rates

log = logging.getLogger("livefuse")

Codec = Literal["h264", "vp8"]

_HYSTERESIS = 0.25
_VBV_FRAMES = 2
_FINEST_QP = "22"
"""x264 at a constant rate spends what it may, on a camera's grain if on nothing else: half the bits and of the time, for a
PSNR that is no lower (41 dB at 720p30)."""

_VP8 = {
    "deadline": "realtime",
    "cpu-used": "-12",
    "lag-in-frames": "0",
    "undershoot-pct": "100",
    "overshoot-pct": "15",
    "static-thresh": "1",
    "auto-alt-ref": "0",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides whether an encoder can go on: size, format and colour of its frames."""

    width: int
    height: int
    format: str
    colour: Colour

    @classmethod
    def of(cls, frame: HostFrame) -> Shape:
        return cls(frame.width, frame.height, frame.format, frame.colour)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One picture as its encoder gave it out."""

    data: bytes
    key: bool
    pts: int


class LiveEncoder:
    """Encodes frames of one shape. When a hardware encoder fails, libx264 takes over within the same frame."""

    def __init__(
        self,
        codec: Codec,
        shape: Shape,
        rates: Rates,
        fps: Fraction,
        *,
        encoder: str = "auto",
        preset: str = "superfast",
    ) -> None:
        self.shape, self.rates = shape, rates
        self.target = rates.start
        self._opened = 0
        self._codec, self._preset, self._fps = codec, preset, fps or Fraction(30)
        self.name = "libvpx" if codec == "vp8" else h264_encoder(encoder)
        self._width, self._height = shape.width & ~1, shape.height & ~1  # 4:2:0 has no odd sizes
        self._context, self._picture = self._open()

    def encode(self, frame: HostFrame, pts: int, *, key: bool) -> Encoded:
        """`pts` is in 1/90000 s and increases. Raises: FFmpegError when even the software encoder fails."""
        try:
            return self._encode(frame, pts, key)
        except FFmpegError as error:
            if self.name not in HARDWARE:
                raise
            log.warning("%s failed (%s); going on with %s", self.name, error, SOFTWARE)
            self.name = SOFTWARE
            self._context, self._picture = self._open()
            return self._encode(frame, pts, True)

    def aim(self, bits_per_second: float) -> None:
        """Follow a receiver's estimate from the next frame on."""
        target = self.rates.clamped(bits_per_second)
        if self.name == SOFTWARE:
            self.target = self._context.bit_rate = target
        elif abs(target - self.target) >= _HYSTERESIS * self.target:
            self.target = target
            self._context, self._picture = self._open()

    def take_opened(self) -> int:
        """How often an encoder was opened since this was last asked."""
        opened, self._opened = self._opened, 0
        return opened

    def _encode(self, frame: HostFrame, pts: int, key: bool) -> Encoded:
        picture = self._picture.filled(self._even(frame))
        picture.pts, picture.time_base = pts, TIME_BASE
        picture.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._context.encode(picture)
        data = b"".join(bytes(packet) for packet in packets)
        return Encoded(data, any(packet.is_keyframe for packet in packets), pts)

    def _even(self, frame: HostFrame) -> HostFrame:
        """The frame without its last odd column and row."""
        if (self._width, self._height) == (frame.width, frame.height):
            return frame
        planes = [frame.planes[0][: self._height, : self._width]]
        planes += [plane[: self._height // 2, : self._width // 2] for plane in frame.planes[1:]]
        return HostFrame(tuple(planes), frame.format, self._width, self._height, colour=frame.colour)

    def _open(self) -> tuple[VideoCodecContext, Picture]:
        """A new encoder at the target rate; its first packet is a key frame."""
        self._opened += 1
        colour = self.shape.colour
        if self._codec == "vp8":  # which can say no other
            coded = Colour()
        else:
            coded = Colour(colour.matrix, colour.full_range and self.shape.format != "rgb24")
        ceiling = self.rates.most if self.name == SOFTWARE else self.target
        context = new_context(self.name, self._width, self._height, self._fps, ceiling)
        context.color_range = 2 if coded.full_range else 1
        context.colorspace = {"bt601": 6, "bt709": 1, "bt2020": 9}[coded.matrix]  # ITU-T H.273, table 4
        context.color_primaries, context.color_trc = colour.primaries_tag, colour.transfer_tag
        context.options = self._options(ceiling)
        context.open()
        if self.name == SOFTWARE:
            context.bit_rate = self.target
        source: Colour = colour if self.shape.format != "rgb24" else Colour(colour.matrix)
        picture = Picture(self._width, self._height, self.shape.format, str(context.pix_fmt), source, coded)  # type: ignore[arg-type]
        return context, picture

    def _options(self, ceiling: int) -> dict[str, str]:
        buffer = round(_VBV_FRAMES * self.target / float(self._fps))
        if self.name == SOFTWARE:
            buffer = round(_VBV_FRAMES * self.rates.start / float(self._fps))
            own = {
                "preset": self._preset,
                "tune": "zerolatency",
                "forced-idr": "1",
                "sc_threshold": "0",
                "qmin": _FINEST_QP,
            }
        elif self.name == "libvpx":  # whose buffer is thought of in tenths of seconds
            return {**_VP8, **{rate: str(ceiling) for rate in ("minrate", "maxrate", "bufsize")}}
        else:
            own = dict(HARDWARE.get(self.name, {}))
        return own | {"maxrate": str(ceiling), "bufsize": str(buffer)}
