"""What a source is. `open_source` in `livefuse.source` turns a URL into one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from livefuse.frame import Colour, HostFrame, PixelFormat


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source will deliver.

    `live` sources set their own pace and may be reconnected; others are read as fast as asked and paced by the session
    when it runs in real time. `url` has its secrets masked. `frames` is 0 when unknown.
    `path` is the local file behind the source ("" if none): a sink that copies its sound reopens it when `audio` is
    true, and takes `shift_ns` off the packets' times, as was done for `pts_ns`.
    `rotation` is what the file's display matrix asked for, degrees counter-clockwise; frames are already upright.
    """

    url: str
    width: int
    height: int
    fps: Fraction
    format: PixelFormat
    colour: Colour
    live: bool
    frames: int = 0
    duration_ns: int = 0
    time_base: Fraction | None = None
    audio: bool = False
    path: str = ""
    shift_ns: int = 0
    rotation: int = 0
    sample_aspect: Fraction = Fraction(1)
    codec: str = ""


class Source(Protocol):
    """A running video source. Used by one thread, except `close`, which may come from another and wakes `read`."""

    info: SourceInfo

    def read(self) -> HostFrame | None:
        """The next frame, None at the end. Blocks. Raises: SourceLost when a live source fails or stalls."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class StampingSource(Protocol):
    """A source that writes into a picture what is known only when it is due."""

    def stamp(self, frame: HostFrame) -> None:
        """Called once with each frame, after it has its `seq` and `scheduled_ns`, before anybody else sees it."""
        ...
