"""From an open container to host frames: which stream, its rate and time stamps, one picture after another.

Used by files (directly) and by network sources and cameras (on their own thread).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import av.container
from av.codec.context import Flags
from av.stream import Disposition
from av.video.stream import VideoStream

from livefuse.errors import EmptySource, NotMedia, UnsupportedPicture
from livefuse.frame import HostFrame
from livefuse.source.base import SourceInfo
from livefuse.source.planes import Turn, colour_for, format_for, planes_of, turn_of, turned
from livefuse.source.timeline import Timeline, exact_ns

log = logging.getLogger("livefuse")

LEAST_PX, MOST_PX = 16, 16384
_USUAL_RATE = Fraction(30)
_MOST_RATE = 1000  # some containers claim their tick rate (90000) as the frame rate
_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Origin:
    """What the decoder cannot see in the container: names for messages, and how it is used."""

    shown: str
    live: bool
    low_delay: bool = False
    upright: bool = True
    path: str = ""


class Decoder:
    """The video of one container. The first picture is decoded at once, as only pictures tell format, colour and turn.

    Raises: NotMedia, EmptySource, UnsupportedPicture; av.FFmpegError passes through.
    """

    def __init__(self, container: av.container.InputContainer, origin: Origin) -> None:
        self._container, self._origin = container, origin
        self._stream = video_stream(container, origin.shown)
        self._prepare(self._stream.codec_context)
        self._timeline = Timeline(rate_of(self._stream), live=origin.live)
        self.damaged = self._packets = 0
        self._indexed = len(self._stream.index_entries)
        self._pictures = self._decoded()
        first = next(self._pictures, None)
        if first is None:
            raise self._nothing()
        check_size(first.width, first.height, origin.shown)
        self._width, self._height = first.width, first.height
        self._format, self._colour = format_for(first), colour_for(first)
        matrix = turn_of(first)
        self._turn = matrix if origin.upright else Turn()
        self._next: HostFrame | None = self._host(first)
        self.info = self._described(matrix)

    def read(self) -> HostFrame | None:
        """The next frame, None at the end."""
        ready, self._next = self._next, None
        if ready is not None:
            return ready
        picture = next(self._pictures, None)
        return None if picture is None else self._host(picture)

    @property
    def missing(self) -> int:
        """Packets that the container's index names but that did not come: the file was cut off.

        The frame count that a container states is no measure, as it includes what an edit list leaves out.
        """
        return max(0, self._indexed - self._packets)

    def _host(self, picture: av.VideoFrame) -> HostFrame:
        planes = turned(planes_of(picture, self._format, self._width, self._height), self._turn)
        width, height = self._sides()
        time_base = picture.time_base or self._stream.time_base
        pts_ns = self._timeline.pts_ns(picture.pts, time_base)
        duration_ns = self._timeline.duration_ns(picture.duration, time_base)
        return HostFrame(
            planes, self._format, width, height, pts_ns=pts_ns, duration_ns=duration_ns, colour=self._colour
        )

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Pictures in display order. A damaged packet costs its picture, not the rest of the stream."""
        for packet in self._container.demux(self._stream):
            self._packets += packet.size > 0
            try:
                pictures = self._stream.decode(packet)
            except (av.InvalidDataError, av.PatchWelcomeError, av.ArgumentError, av.UnknownError) as error:
                self.damaged += 1
                if self.damaged == 1:
                    log.warning("%s: a damaged picture was left out (%s)", self._origin.shown, error.strerror)
                continue
            yield from pictures

    def _prepare(self, codec: av.VideoCodecContext) -> None:
        if codec.width and codec.height:
            check_size(codec.width, codec.height, self._origin.shown)
        if self._origin.low_delay:  # frame threads hold one picture back per thread
            codec.thread_type = "SLICE"
            codec.flags |= Flags.low_delay
        else:
            codec.thread_type = "AUTO"

    def _sides(self) -> tuple[int, int]:
        return (self._height, self._width) if self._turn.swaps_sides else (self._width, self._height)

    def _described(self, matrix: Turn) -> SourceInfo:
        stream, (width, height) = self._stream, self._sides()
        aspect = stream.sample_aspect_ratio or Fraction(1)
        return SourceInfo(
            url=self._origin.shown,
            width=width,
            height=height,
            fps=rate_of(stream),
            format=self._format,
            colour=self._colour,
            live=self._origin.live,
            frames=0 if self._origin.live else stream.frames,
            duration_ns=0 if self._origin.live else duration_of(self._container, stream),
            time_base=stream.time_base,
            audio=bool(self._container.streams.audio),
            path=self._origin.path,
            shift_ns=self._timeline.shift_ns,
            rotation=matrix.quarters * 90,
            sample_aspect=1 / aspect if self._turn.swaps_sides and aspect else aspect,
            codec=stream.codec_context.codec.canonical_name,
        )

    def _nothing(self) -> NotMedia | EmptySource:
        if self.damaged:
            return NotMedia(
                f"{self._origin.shown}: none of its pictures can be decoded", hint="try to play it; copy it again"
            )
        return EmptySource(f"{self._origin.shown} has a video track without a single frame", hint="record it again")


def video_stream(container: av.container.InputContainer, shown: str) -> VideoStream:
    """The container's main video. Raises: NotMedia, which says what there is instead."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        cover = " (and a cover picture)" if container.streams.video else ""
        sound = "sound" if container.streams.audio else "no stream"
        raise NotMedia(f"{shown} has no video: there is {sound}{cover} in it", hint="name a file that has a picture")
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in videos else videos[0]
    if stream.codec_context is None:
        raise NotMedia(f"{shown}: this FFmpeg has no decoder for its video", hint="convert it to H.264 first")
    return stream


def rate_of(stream: VideoStream) -> Fraction:
    """Frames per second, 30 if the stream gives no believable rate."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate is not None and 0 < rate <= _MOST_RATE:
            return rate
    return _USUAL_RATE


def duration_of(container: av.container.InputContainer, stream: VideoStream) -> int:
    """Nanoseconds, 0 if unknown."""
    if stream.duration and stream.time_base:
        return exact_ns(stream.duration, stream.time_base)
    return exact_ns(container.duration, _MICROSECOND) if container.duration else 0


def check_size(width: int, height: int, shown: str) -> None:
    """Raises: UnsupportedPicture."""
    if min(width, height) < LEAST_PX or max(width, height) > MOST_PX:
        raise UnsupportedPicture(
            f"{shown} is {width}x{height} px; livefuse takes {LEAST_PX} to {MOST_PX} px a side", hint="scale it first"
        )
