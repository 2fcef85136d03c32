"""A file job: one picture or video in, one file out, every frame, sound and timing kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from livefuse.config import Config
from livefuse.errors import SinkUnwritable
from livefuse.session import Session
from livefuse.sinks import open_sink
from livefuse.sinks.base import Sink, SlowSink
from livefuse.sinks.file import FileSink
from livefuse.source import open_source
from livefuse.source.base import Source
from livefuse.source.image import ImageSource

if TYPE_CHECKING:
    from livefuse.enhance.upscale.upscaler import Cutting


@dataclass(frozen=True, slots=True)
class FileJob:
    """A session that is ready to run. `frames` is 0 when the container does not say; `notes` is complete at the end."""

    session: Session
    frames: int
    notes: Callable[[], list[str]]
    sink: Sink

    def stop(self) -> None:
        """Give it up, also when all that is left to do is the sink's. From any thread."""
        self.session.stop()
        if isinstance(self.sink, SlowSink):
            self.sink.give_up()


def open_job(config: Config, out: Path, cutting: Cutting | None = None) -> FileJob:
    """`cutting` is how `output.upscale` cuts its tiles. Raises: SourceError, SinkUnwritable."""
    _refuse_same_file(config.source, out)
    source = open_source(config.source)
    try:
        sink = _upscaled(_sink_for(source, config, out), config, cutting)
    except BaseException:
        source.close()
        raise
    session = Session(_immediate(config), source=source, sinks=[sink], every_frame=True)
    return FileJob(session, source.info.frames, lambda: list(getattr(sink, "notes", [])), sink)


def _upscaled(sink: Sink, config: Config, cutting: Cutting | None) -> Sink:
    if not config.output.upscale:
        return sink
    from livefuse.sinks.upscaled import UpscaledSink, Upscaling

    wanted = Upscaling(config.output.upscale, cutting) if cutting else Upscaling(config.output.upscale)
    return UpscaledSink(sink, wanted, config.runtime)


def _sink_for(source: Source, config: Config, out: Path) -> Sink:
    sink = open_sink(f"file:{out}", config.output.model_copy(update={"upscale": ""}))
    picture = isinstance(source, ImageSource)
    if picture == isinstance(sink, FileSink):
        kinds = ("a picture", "a video") if picture else ("a video", "a picture")
        raise SinkUnwritable(
            f"{config.source} is {kinds[0]}, but {out.name} would be {kinds[1]}",
            hint="name the output .png, .jpg or .webp" if picture else "name the output .mp4, .mov or .mkv",
        )
    if picture:
        return sink
    until_ns = None if config.seconds is None else round(config.seconds * 1e9)
    return FileSink.for_source(out, config.output, source.info, audio_until_ns=until_ns)


def _immediate(config: Config) -> Config:
    """A file has no live viewer to spare from pops: a face is swapped from its first frame on, at full opacity."""
    track = config.track.model_copy(update={"min_hits": 1, "look_seconds": 0.0})
    return config.model_copy(update={"track": track, "swap": config.swap.model_copy(update={"fade_frames": 0})})


def _refuse_same_file(source: str, out: Path) -> None:
    try:
        same = Path(source).samefile(out)
    except OSError:
        return
    if same:
        raise SinkUnwritable(f"{out} is the source itself", hint="write to another name")
