"""What a sink is. `open_sink` in `livefuse.sinks` turns a URL into one."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from livefuse.frame import Colour, HostFrame, PixelFormat
from livefuse.gate import Gate


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a session will hand to its sinks; fixed for the session's life."""

    width: int
    height: int
    fps: Fraction
    format: PixelFormat
    colour: Colour


class Sink(Protocol):
    """A running output. All calls come from the sink's own thread, in order: open, write..., then close or abort."""

    name: str
    """Short and unique within a session; counters carry it."""

    def open(self, info: StreamInfo) -> None:
        """Make the output ready. Raises: SinkError."""
        ...

    def write(self, frame: HostFrame) -> None:
        """Take one frame; pts_ns strictly increases. May block. Raises: SinkError."""
        ...

    def close(self) -> None:
        """Finish: flush encoders, put the finished file under its name."""
        ...

    def abort(self) -> None:
        """Give up: release everything and leave nothing half-written."""
        ...


@runtime_checkable
class SlowSink(Protocol):
    """A sink whose `write` can take longer than anybody wants to wait once the session ends. Both from any thread."""

    def hurry(self, limit_s: float) -> None:
        """Drop what is not written after this time; `close` then completes what there is."""
        ...

    def give_up(self) -> None:
        """Drop everything at once; there will be no output."""
        ...


@runtime_checkable
class GuardedSink(Protocol):
    """A sink that works on a picture for long before it leaves."""

    def guard(self, gate: Gate) -> None:
        """Called once, before `open`: what `gate` does not admit is to be given up, however far it has come."""
        ...


@runtime_checkable
class ReadSink(Protocol):
    """A sink that knows whether anybody looks: while nobody does, the session need not work. From any thread."""

    def readers(self) -> int | None:
        """How many look; None if that cannot be told now."""
        ...
