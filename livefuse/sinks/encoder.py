"""Video encoders through PyAV: settings, the copy of a host frame into FFmpeg's memory, exact time stamps.

The input goes in as it is (yuv420p or nv12) when the encoder takes that format: one copy of the planes, no conversion.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.stream import VideoStream

from livefuse.errors import SinkUnwritable
from livefuse.frame import Colour, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.picture import Picture

_ENCODERS: Mapping[str, str] = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
}
_SUBSAMPLED = ("libx264", "libx265", "h264_nvenc", "hevc_nvenc")
_MATRIX_TAGS = {"bt601": 6, "bt709": 1, "bt2020": 9}  # ITU-T H.273 table 4
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """What to encode with; `options` are the encoder's private FFmpeg options."""

    codec: str
    time_base: Fraction
    options: Mapping[str, str] = field(default_factory=dict)
    bits_per_second: int = 0
    gop: int | None = None
    low_latency: bool = False
    threads: int = 0
    sample_aspect: Fraction = Fraction(1)


def encoder_name(codec: str) -> str:
    """FFmpeg's name of the encoder for `codec`. Raises: SinkUnwritable naming encoders that exist."""
    name = _ENCODERS.get(codec, codec)
    try:
        if av.Codec(name, "w").type == "video":
            return name
    except UnknownCodecError:
        pass
    working = [short for short, long in _ENCODERS.items() if long in av.codecs_available]
    near = difflib.get_close_matches(codec, [*working, *av.codecs_available], n=1, cutoff=0.7)
    hint = f"did you mean `{near[0]}`? " if near else ""
    raise SinkUnwritable(f"no video encoder `{codec}` here", hint=f"{hint}encoders: {', '.join(working)}")


class VideoEncoder:
    """One video stream of an output container, fed with host frames."""

    def __init__(self, container: OutputContainer, info: StreamInfo, settings: EncoderSettings) -> None:
        self.notes: list[str] = []
        self._codec = encoder_name(settings.codec)
        self._time_base = settings.time_base
        self._colour = tagged(info)
        pixel_format = self._pixel_format(info)
        self.stream = self._add(container, info, settings, pixel_format)
        self._picture = Picture(info.width, info.height, info.format, pixel_format, self._colour)
        self._durations: dict[int, int] = {}

    def encode(self, frame: HostFrame, pts: int, duration: int, *, key: bool = False) -> list[Packet[Any]]:
        """`pts` and `duration` are in the settings' time base; `key` asks for a key frame."""
        self._durations[pts] = duration
        picture = self._picture.filled(frame)
        picture.pts, picture.time_base = pts, self._time_base
        picture.pict_type = PictureType.I if key else PictureType.NONE
        return [self._timed(packet) for packet in self.stream.encode(picture)]

    def flush(self) -> list[Packet[Any]]:
        return [self._timed(packet) for packet in self.stream.encode(None)]

    def _timed(self, packet: Packet[Any]) -> Packet[Any]:
        """Encoders do not pass durations on; without one, a container would guess the last frame's."""
        packet.duration = self._durations.pop(packet.pts if packet.pts is not None else -1, packet.duration or 0)
        return packet

    def _pixel_format(self, info: StreamInfo) -> str:
        """H.264 and HEVC cannot say an odd size in 4:2:0 (cropping counts chroma samples), so an odd picture is coded in
        4:4:4: every pixel kept, nothing padded, at the price of players that know 4:2:0 only."""
        taken = [str(f.name) for f in av.Codec(self._codec, "w").video_formats or ()]
        if (info.width | info.height) & 1 and self._codec in _SUBSAMPLED and "yuv444p" in taken:
            self.notes.append(f"odd size {info.width}x{info.height}: coded as 4:4:4, which some players cannot show")
            return "yuv444p"
        wanted = "yuv420p" if info.format == "rgb24" else info.format
        for choice in (wanted, "yuv420p", "nv12", "yuv422p", "yuv444p"):
            if not taken or choice in taken:
                return choice
        return taken[0]

    def _add(
        self, container: OutputContainer, info: StreamInfo, settings: EncoderSettings, pixel_format: str
    ) -> VideoStream:
        stream = container.add_stream(self._codec, rate=info.fps, options=dict(settings.options))
        if not isinstance(stream, VideoStream):
            raise SinkUnwritable(f"{self._codec} does not encode video", hint="use h264, hevc, vp9 or av1")
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = info.width, info.height, pixel_format
        context.time_base = stream.time_base = settings.time_base
        context.thread_count = settings.threads or min(_MOST_THREADS, os.cpu_count() or 1)
        context.color_range = 2 if self._colour.full_range else 1
        context.color_primaries, context.color_trc = self._colour.primaries_tag, self._colour.transfer_tag
        context.colorspace = self._colour.matrix_tag
        if settings.bits_per_second:
            context.bit_rate = settings.bits_per_second
        if settings.sample_aspect != 1:
            context.sample_aspect_ratio = settings.sample_aspect
        if settings.gop is not None:
            context.gop_size = settings.gop
        if settings.low_latency:
            context.max_b_frames = 0
        if self._codec == "libx265" and container.format.name in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players refuse hev1
        return stream


def tagged(info: StreamInfo) -> Colour:
    """Tags of what is encoded: YUV keeps its own; RGB is converted here, so the matrix used must be named."""
    colour = info.colour
    if info.format != "rgb24":
        return colour
    return Colour(colour.matrix, False, colour.primaries_tag, colour.transfer_tag, _MATRIX_TAGS[colour.matrix])
