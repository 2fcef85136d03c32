"""Video files. The output appears under its name only when it is whole.

Everything is written to `.NAME.livefuse-part` in the same folder, synced, and renamed at `close`; a file that was there
before stays untouched until that instant, and `abort` or an error only removes the part. Recordings are MP4 fragments
until then (FFmpeg's hybrid_fragmented), so that even after a power cut the part can be played.
No faststart: moving the index to the front rewrites the file while PyAV holds Python's lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from livefuse.config import OutputConfig
from livefuse.errors import LivefuseError, SinkUnwritable
from livefuse.frame import HostFrame
from livefuse.sinks.audio import AudioCarrier
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.encoder import EncoderSettings, VideoEncoder, encoder_name
from livefuse.sinks.faults import file_fault
from livefuse.sinks.mark import output_tags
from livefuse.sinks.url import CONTAINERS, SinkUrl, bits_per_second
from livefuse.source.base import SourceInfo

_FINE_TIME_BASE = Fraction(1, 120_000)  # holds 24, 25, 30, 50, 60 and their 1000/1001 kin exactly
_FRAGMENT_US = "1000000"  # what a power cut may cost
_FAILURES = (FFmpegError, OSError, ValueError)


class FileSink:
    """Writes one video file.

    `audio_from` is the source file: its sound is copied bit for bit on its own time line, and its time base, tags and
    chapters are kept; `shift_ns` is what the source took off its stamps (SourceInfo.shift_ns). `audio_until_ns` ends the
    sound early when only the beginning of the picture is written. `notes` says what could not be kept as it was.
    """

    def __init__(
        self,
        path: str | Path,
        output: OutputConfig | None = None,
        *,
        audio_from: Path | None = None,
        audio_until_ns: int | None = None,
        time_base: Fraction | None = None,
        shift_ns: int = 0,
        sample_aspect: Fraction = Fraction(1),
        options: Mapping[str, str] | None = None,
        recording: bool = False,
    ) -> None:
        self.path = Path(path)
        self.name = f"file:{self.path.name}"
        self.notes: list[str] = []
        self.frames = 0
        self._output = output or OutputConfig()
        self._options = dict(options or {})
        self._audio_from, self._audio_until_ns = audio_from, audio_until_ns
        self._time_base, self._recording = time_base, recording
        self._shift_ns, self._sample_aspect = shift_ns, sample_aspect
        self._part = self.path.with_name(f".{self.path.name}.livefuse-part")
        self._container: OutputContainer | None = None
        self._encoder: VideoEncoder | None = None
        self._audio: AudioCarrier | None = None

    @classmethod
    def from_url(cls, url: SinkUrl, output: OutputConfig) -> FileSink:
        return cls(url.address, output, options=url.options, recording=True)

    @classmethod
    def for_source(cls, path: str | Path, output: OutputConfig, source: SourceInfo, **more: Any) -> FileSink:
        """A sink that keeps what it can of the file behind `source`: sound, time stamps, tags, the pixels' shape."""
        return cls(
            path,
            output,
            audio_from=Path(source.path) if source.path else None,
            time_base=source.time_base,
            shift_ns=source.shift_ns,
            sample_aspect=source.sample_aspect,
            **more,
        )

    def open(self, info: StreamInfo) -> None:
        self.frames, self._info = 0, info
        self._origin_ns, self._last_pts = -self._shift_ns, -(1 << 62)
        if self.path.is_dir():
            raise SinkUnwritable(f"{self.path} is a folder", hint="name a file in it")
        try:
            self._part.open("wb").close()
            self._open_audio()
            self._begin(info)
        except LivefuseError:
            self.abort()
            raise
        except _FAILURES as error:
            self.abort()
            raise file_fault(error, self.path) from error

    def write(self, frame: HostFrame) -> None:
        container, encoder = self._container, self._encoder
        if container is None or encoder is None:
            raise SinkUnwritable(f"{self.path} is not open", hint="open the sink before writing to it")
        if self._recording and not self.frames:
            self._origin_ns = frame.pts_ns  # a recording begins when it begins, however long the session has run
        pts = max(self._ticks(frame.pts_ns - self._origin_ns), self._last_pts + 1)
        duration = max(1, self._ticks(frame.duration_ns or round(1e9 / self._info.fps)))
        try:
            self._mux(container, encoder.encode(frame, pts, duration))
        except _FAILURES as error:
            self.abort()
            raise file_fault(error, self.path) from error
        self._last_pts = pts
        self.frames += 1

    def close(self) -> None:
        """Finish the file and put it under its name. Without a single frame there is no file."""
        container, encoder = self._container, self._encoder
        if container is None or encoder is None:
            return
        if not self.frames:
            self.abort()
            return
        try:
            self._mux(container, encoder.flush())
            self._finish_audio(container)
            container.close()
            self._container = None
            with self._part.open("rb+") as whole:
                os.fsync(whole.fileno())
            self._part.replace(self.path)
        except _FAILURES as error:
            raise file_fault(error, self.path) from error
        finally:
            self.abort()

    def abort(self) -> None:
        container, self._container, self._encoder = self._container, None, None
        if container is not None:
            with contextlib.suppress(*_FAILURES):  # the trailer of a file that is removed next
                container.close()
        if self._audio is not None:
            self._audio.close()
            self._audio = None
        with contextlib.suppress(OSError):  # nothing there, or the folder went away with it
            self._part.unlink()

    def _open_audio(self) -> None:
        if self._audio_from is None:
            return
        self._audio = AudioCarrier(self._audio_from)
        if self._time_base is None:
            self._time_base = self._audio.video_time_base

    def _begin(self, info: StreamInfo) -> None:
        """Write the header; containers that turn a copied codec down only then get AAC on a second attempt."""
        try:
            self._begin_with(info, copy=True)
        except _FAILURES:
            if self._audio is None or not self._audio.has_copies:
                raise
            if self._container is not None:
                with contextlib.suppress(*_FAILURES):
                    self._container.close()
            self._audio.rewind()
            self._begin_with(info, copy=False)
        self.notes = [*(self._encoder.notes if self._encoder else ()), *self._codec_notes()]
        self.notes += self._audio.notes if self._audio else []

    def _begin_with(self, info: StreamInfo, *, copy: bool) -> None:
        kind = CONTAINERS.get(self.path.suffix.lower())
        if kind is None:
            works = ", ".join(CONTAINERS)
            raise SinkUnwritable(f"{self.path}: `{self.path.suffix}` names no video file", hint=f"use one of {works}")
        container = av.open(str(self._part), "w", format=kind, container_options=self._muxer_options(kind))
        self._container = container
        self._encoder = VideoEncoder(container, info, self._settings())
        container.metadata.update(output_tags())
        if self._audio is not None:
            self._audio.add_to(container, copy=copy)
            language = self._audio.video_metadata.get("language")
            self._encoder.stream.metadata.update({"language": language} if language else {})
        if not self._hybrid(kind):
            container.start_encoding()
        elif self._codec() not in container.supported_codecs:
            raise SinkUnwritable(f"{self.path}: a {kind} file cannot hold {self._codec()}", hint="vcodec=h264")

    def _hybrid(self, kind: str) -> bool:
        """Whether the file can be read while it is written. The header of such a one is left to the first packet: FFmpeg's
        muxer crashes when it is to complete one without any."""
        return self._recording and kind in ("mp4", "mov")

    def _muxer_options(self, kind: str) -> dict[str, str]:
        if self._hybrid(kind):
            flags = "+hybrid_fragmented+frag_keyframe+negative_cts_offsets+write_colr"
            return {"movflags": flags, "frag_duration": _FRAGMENT_US, "flush_packets": "1"}
        return {"movflags": "+write_colr"} if kind in ("mp4", "mov") else {}

    def _settings(self) -> EncoderSettings:
        codec, options = self._codec(), self._options
        private = {key: value for key, value in options.items() if key in ("tune", "preset", "crf")}
        if encoder_name(codec) in ("libx264", "libx265"):
            private.setdefault("preset", self._output.preset)
        if "b" not in options:
            private.setdefault("crf", str(self._output.crf))
        if encoder_name(codec) == "libvpx-vp9":
            private = {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", **private}
        return EncoderSettings(
            codec=codec,
            time_base=self._time_base or _FINE_TIME_BASE,
            options=private,
            bits_per_second=bits_per_second(options["b"]) if "b" in options else 0,
            gop=int(options["g"]) if "g" in options else None,
            threads=int(options.get("threads", "0")),
            sample_aspect=self._sample_aspect,
        )

    def _codec(self) -> str:
        asked = self._options.get("vcodec", self._output.codec)
        return "vp9" if self.path.suffix.lower() == ".webm" and asked == "h264" else asked

    def _codec_notes(self) -> list[str]:
        asked = self._options.get("vcodec", self._output.codec)
        return [f"webm cannot hold {asked}, encoded to VP9"] if self._codec() != asked else []

    def _ticks(self, ns: int) -> int:
        """Nanoseconds in units of the time base, rounded without going through floating point."""
        return round(Fraction(ns, 1_000_000_000) / (self._time_base or _FINE_TIME_BASE))

    def _mux(self, container: OutputContainer, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            if self._audio is not None and packet.dts is not None and packet.time_base is not None:
                container.mux(list(self._audio.until(self._audio_limit(packet.dts * packet.time_base))))
            container.mux(packet)

    def _audio_limit(self, due: Fraction | None) -> Fraction | None:
        if self._audio_until_ns is None:
            return due
        end = Fraction(self._audio_until_ns + self._shift_ns, 1_000_000_000)
        return end if due is None else min(due, end)

    def _finish_audio(self, container: OutputContainer) -> None:
        if self._audio is not None:
            container.mux(list(self._audio.until(self._audio_limit(None))))
            container.mux(list(self._audio.flush()))
