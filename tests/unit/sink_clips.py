"""Frames and small files that sink tests feed and compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from livefuse.frame import Colour, HostFrame, PixelFormat, plane_shapes
from livefuse.sinks.base import StreamInfo

PERIOD_NS = 33_333_333


class Sound(NamedTuple):
    pts: int | None
    dts: int | None
    data: bytes


def info_of(
    width: int = 96,
    height: int = 64,
    format: PixelFormat = "yuv420p",  # noqa: A002
    colour: Colour | None = None,
    fps: Fraction = Fraction(30),
) -> StreamInfo:
    return StreamInfo(width, height, fps, format, colour or Colour())


def moving(
    info: StreamInfo, times_ns: Sequence[int], last_ns: int = PERIOD_NS, *, noise: bool = False
) -> Iterator[HostFrame]:
    """Frames at `times_ns` in which brightness counts up, or noise that cannot be compressed."""
    rng = np.random.default_rng(1)
    shapes = plane_shapes(info.format, info.height, info.width)
    ends = [*times_ns[1:], times_ns[-1] + last_ns]
    for i, (start, end) in enumerate(zip(times_ns, ends, strict=True)):
        planes = [np.full(shape, 128, np.uint8) for shape in shapes]
        planes[0].fill(40 + 3 * i % 160)
        if noise:
            planes = [rng.integers(16, 235, shape, np.uint8) for shape in shapes]
        yield HostFrame(tuple(planes), info.format, info.width, info.height, start, end - start, i, colour=info.colour)


def steady(n: int) -> list[int]:
    return [round(i * 1e9 / 30) for i in range(n)]


def sounds(path: Path, track: int = 0) -> list[Sound]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        return [Sound(p.pts, p.dts, bytes(p)) for p in container.demux(stream) if p.size]


def stamps(path: Path) -> list[Fraction]:
    """Presentation times of the decoded pictures, seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [(f.pts or 0) * stream.time_base for f in container.decode(stream)]


def clip_with_sound(path: Path, codec: str = "aac", tracks: int = 1, frames: int = 30, start: int = 0) -> Path:
    """A small film with a tone (one per track, in English and German), title and chapters."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "A film"
        video = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        streams = []
        for language in ("eng", "deu")[:tracks]:
            sound = container.add_stream(codec, rate=48_000)
            sound.metadata["language"] = language
            streams.append(sound)
        ms = Fraction(1, 1000)
        container.set_chapters(
            [
                {"id": 1, "start": 0, "end": 400, "time_base": ms, "metadata": {"title": "One"}},
                {"id": 2, "start": 400, "end": 1000, "time_base": ms, "metadata": {"title": "Two"}},
            ]
        )
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 5 * i % 250, np.uint8), format="rgb24")
            picture.pts, picture.time_base = i + start, Fraction(1, 30)
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for k, sound in enumerate(streams):
            assert isinstance(sound, av.AudioStream)
            container.mux(_tone(sound, 220 * (k + 1), frames / 30))
    return path


def _tone(stream: av.AudioStream, hertz: int, seconds: float) -> list[av.Packet]:  # type: ignore[type-arg]
    packets = []
    size = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    for i in range(int(seconds * 48_000) // size):
        t = (np.arange(size) + i * size) / 48_000
        wave = np.sin(2 * np.pi * hertz * t) * 0.3
        data = np.stack([wave, wave]).astype(np.float32)
        if kind == "s16":
            data = np.ascontiguousarray((data.T * 32767).astype(np.int16).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(data, format=kind, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, i * size, Fraction(1, 48_000)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]
