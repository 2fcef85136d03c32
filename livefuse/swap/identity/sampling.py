"""Frames evenly spread over a video file, whatever its length: reached by seeking, with a budget for what is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.container
from av.video.stream import VideoStream

from livefuse.errors import EmptySource, NotMedia
from livefuse.frame import HostFrame
from livefuse.source.container import open_file
from livefuse.source.decode import check_size, duration_of, rate_of, video_stream
from livefuse.source.planes import colour_for, format_for, planes_of, turn_of, turned

SAMPLES = 48
DECODED_PIXELS = 6_000_000_000
"""60 frames before each sample at 1080p, 15 at 2160p: about a minute of work on two cores."""
_STEP_FRAMES = 15  # between samples of a video that does not say how long it is


def sampled_frames(path: Path, *, samples: int = SAMPLES, decoded_pixels: int = DECODED_PIXELS) -> Iterator[HostFrame]:
    """At most `samples` upright frames, in order. Where the budget ends before the moment that is due, or the video
    cannot be sought in, the frame that was reached stands in.

    Raises: SourceError.
    """
    container = open_file(path)
    try:
        stream = video_stream(container, str(path))
        stream.codec_context.thread_type = "AUTO"
        codec = stream.codec_context
        if codec.width and codec.height:
            check_size(codec.width, codec.height, str(path))
        pixels = max(1, codec.width * codec.height)
        walk = _Walk(container, stream, max(1, decoded_pixels // pixels // samples))
        found = False
        for target_s in _moments(container, stream, samples):
            picture = walk.to(target_s)
            if picture is not None:
                found = True
                yield _host(picture, walk.time_s, path)
        if not found:
            raise EmptySource(f"{path} has no picture that can be decoded", hint="try to play it")
    except av.FFmpegError as error:
        raise NotMedia(f"{path}: its video cannot be decoded: {error.strerror}", hint="try to play it") from error
    finally:
        container.close()


def _moments(container: av.container.InputContainer, stream: VideoStream, samples: int) -> list[float]:
    """Seconds, each in the middle of its part; a short video gives each of its frames once."""
    period_s = float(1 / rate_of(stream))
    start_s = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
    duration_s = duration_of(container, stream) / 1e9
    if not duration_s:
        return [start_s + i * _STEP_FRAMES * period_s for i in range(samples)]
    count = max(1, min(samples, round(duration_s / period_s)))
    return [start_s + duration_s * (i + 0.5) / count - period_s / 2 for i in range(count)]


class _Walk:
    """Goes forward through a video, by decoding what is near and by seeking to what is not."""

    def __init__(self, container: av.container.InputContainer, stream: VideoStream, reach_frames: int) -> None:
        self._container, self._stream, self._reach_frames = container, stream, reach_frames
        self._period_s = float(1 / rate_of(stream))
        self._pictures = self._decoded()
        self._seekable = True
        self.time_s = float("-inf")

    def to(self, target_s: float) -> av.VideoFrame | None:
        """The first picture at or after this moment, or the last that the budget reaches; None if that is no new one."""
        if self._seekable and target_s - max(self.time_s, 0.0) > self._reach_frames * self._period_s:
            self._seek(target_s)
        reached = None
        for _ in range(self._reach_frames):
            picture = next(self._pictures, None)
            if picture is None:
                break
            time_s = max(self.time_s, 0.0) + self._period_s if picture.time is None else picture.time
            if time_s <= self.time_s:  # a seek went back to an old keyframe: more of them would only do so again
                self._seekable = False
                continue
            reached, self.time_s = picture, time_s
            if time_s > target_s - self._period_s / 4:  # stamps are rounded
                break
        return reached

    def _seek(self, target_s: float) -> None:
        time_base = self._stream.time_base
        if time_base is None:
            self._seekable = False
            return
        try:
            self._container.seek(int(target_s / time_base), stream=self._stream)
        except av.FFmpegError:  # a pipe, or a container without an index: it is read from where it stands
            self._seekable = False
            return
        self._pictures = self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """A damaged packet costs its picture, not the rest."""
        for packet in self._container.demux(self._stream):
            try:
                pictures = self._stream.decode(packet)
            except (av.InvalidDataError, av.PatchWelcomeError, av.ArgumentError, av.UnknownError):
                continue
            yield from pictures


def _host(picture: av.VideoFrame, time_s: float, path: Path) -> HostFrame:
    check_size(picture.width, picture.height, str(path))
    pixel_format = format_for(picture)
    turn = turn_of(picture)
    planes = turned(planes_of(picture, pixel_format, picture.width, picture.height), turn)
    width, height = (picture.height, picture.width) if turn.swaps_sides else (picture.width, picture.height)
    return HostFrame(planes, pixel_format, width, height, pts_ns=round(time_s * 1e9), colour=colour_for(picture))
