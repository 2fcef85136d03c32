"""Carry the sound of the source file over, bit for bit: packets are copied, not decoded.

A track whose codec the new container cannot hold is encoded to AAC (to Opus for webm), and a note says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from livefuse.errors import SinkUnwritable
from livefuse.sinks.mark import output_tags
from livefuse.source.container import open_file

_BITS_PER_SECOND = 192_000
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}  # PCM may say only how many channels there are
_OPUS_HZ = 48_000  # the only rate that libopus takes besides its divisors


class _Track:
    """One audio stream on its way: copied, or decoded and encoded."""

    def __init__(self, source: AudioStream, container: OutputContainer, *, copy: bool) -> None:
        self.source = source
        self.copied = copy and _holds(container, source)
        self._resampler: AudioResampler | None = None
        if self.copied:
            self.output = container.add_stream_from_template(source)
        else:
            self.output = _encoded_stream(container, source)
            context = self.output.codec_context
            sample_format = "s16" if context.name == "libopus" else "fltp"
            self._resampler = AudioResampler(sample_format, context.layout, context.sample_rate)
        self.output.metadata.update({k: v for k, v in source.metadata.items() if k in ("language", "title")})
        self.output.disposition = source.disposition

    def packets(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        if self._resampler is None:
            packet.stream = self.output
            yield packet
            return
        for frame in self.source.decode(packet):
            for even in self._resampler.resample(frame):
                yield from self.output.encode(even)

    def flush(self) -> Iterator[Packet[Any]]:
        if self._resampler is not None:
            for frame in [f for late in self.source.decode(None) for f in self._resampler.resample(late)]:
                yield from self.output.encode(frame)
            for frame in self._resampler.resample(None):
                yield from self.output.encode(frame)
            yield from self.output.encode(None)


class AudioCarrier:
    """Reads the audio packets of `path` in step with the video that is being written."""

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        opened: InputContainer = open_file(path)
        self._input = opened
        self.metadata = dict(opened.metadata)
        self.chapters = opened.chapters()
        video = opened.streams.video[0] if opened.streams.video else None
        self.video_metadata = dict(video.metadata) if video is not None else {}
        self.video_time_base = video.time_base if video is not None else None
        self._tracks: dict[int, _Track] = {}
        self._pending: Packet[Any] | None = None
        self._packets: Iterator[Packet[Any]] = iter(())

    @property
    def has_copies(self) -> bool:
        return any(track.copied for track in self._tracks.values())

    def add_to(self, container: OutputContainer, *, copy: bool = True) -> None:
        """Make a stream in `container` for each audio stream; `copy=False` encodes them all."""
        streams = list(self._input.streams.audio)
        self.notes.clear()
        for source in streams:
            track = _Track(source, container, copy=copy)
            if not track.copied:
                name, kind = source.codec_context.name, container.format.name
                self.notes.append(
                    f"audio track {source.index}: {kind} cannot hold {name}, encoded to {track.output.codec_context.name}"
                )
            self._tracks[source.index] = track
        container.metadata.update(output_tags(self.metadata))
        if self.chapters:
            container.set_chapters(self.chapters)
        self._packets = (p for p in self._input.demux(streams) if p.size) if streams else iter(())

    def until(self, limit: Fraction | None) -> Iterator[Packet[Any]]:
        """Packets that are due before `limit` seconds on the source's own time line; all that is left when None."""
        while (packet := self._pending or next(self._packets, None)) is not None:
            self._pending = None
            if limit is not None and _due(packet) > limit:
                self._pending = packet
                return
            yield from self._tracks[packet.stream.index].packets(packet)

    def flush(self) -> Iterator[Packet[Any]]:
        for track in self._tracks.values():
            yield from track.flush()

    def rewind(self) -> None:
        """Start over, for a second attempt at the container."""
        self._tracks.clear()
        self._pending = None
        self._input.seek(0)

    def close(self) -> None:
        self._input.close()


def _due(packet: Packet[Any]) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return (stamp or 0) * (packet.time_base or Fraction(1))


def _holds(container: OutputContainer, source: AudioStream) -> bool:
    return source.codec_context.codec.canonical_name in _canonical(container)


def _canonical(container: OutputContainer) -> set[str]:
    """Codec names that the container holds; FFmpeg lists encoders and decoders by name, one codec under several."""
    names: set[str] = set()
    for name in container.supported_codecs:
        for mode in ("r", "w"):
            try:
                names.add(av.Codec(name, mode).canonical_name)
                break
            except ValueError:
                continue
    return names


def _encoded_stream(container: OutputContainer, source: AudioStream) -> AudioStream:
    """An AAC stream, or Opus where the container knows that only (webm)."""
    opus = "aac" not in container.supported_codecs
    stream = container.add_stream(
        "libopus" if opus else "aac", rate=_OPUS_HZ if opus else source.codec_context.sample_rate
    )
    if not isinstance(stream, AudioStream):
        raise SinkUnwritable(f"{container.format.name} cannot hold sound", hint="use .mp4 or .mkv")
    stream.codec_context.layout = _LAYOUTS.get(source.codec_context.channels, source.codec_context.layout.name)
    stream.codec_context.bit_rate = _BITS_PER_SECOND
    return stream
