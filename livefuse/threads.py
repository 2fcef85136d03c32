"""The threads of a running session: in which order they begin and end, and which of their failures end it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from livefuse.capture import Capture
from livefuse.held_slates import HeldSlates
from livefuse.idle import Onlookers
from livefuse.loop import PipelineLoop
from livefuse.outputs import Outputs
from livefuse.sinks.base import Sink

_JOIN_S = 10.0


@dataclass(slots=True)
class Threads:
    """`capture` is replaced when another source is read."""

    capture: Capture
    loop: PipelineLoop
    sinks: Outputs
    slates: HeldSlates
    onlookers: Onlookers | None

    def start(self, sinks: Sequence[tuple[Sink, str]], *, halted: Callable[[], bool]) -> None:
        """From the end to the beginning: what a source delivers finds its way open. `halted` says whether it was stopped
        meanwhile. Raises: SinkError of the first output that cannot be opened."""
        self.sinks.open(sinks)
        self.slates.follow()
        self.loop.start()
        if self.onlookers is not None:
            self.onlookers.start()
        if halted():
            self.capture.halt()
        self.capture.start()

    def end_pictures(self) -> None:
        """Everything but the sinks: after this no picture and no slate comes to them any more."""
        self.capture.halt()
        for thread in (self.capture, self.loop):
            if thread.ident is not None:
                thread.join(_JOIN_S)
        if self.onlookers is not None:
            self.onlookers.end()
        self.slates.end()

    def first_error(self) -> Exception | None:
        """Of whatever failed, whether that ends a session or not."""
        return _first([self.loop.error, self.capture.error, *self.sinks.errors])

    def fatal_error(self, *, every: bool) -> Exception | None:
        """Of what a session cannot go on without: where `every` frame counts, of each sink, else of one if all have failed."""
        needed = every or self.sinks.all_failed
        return _first([self.loop.error, self.capture.error, *(self.sinks.errors if needed else ())])


def _first(errors: Sequence[Exception | None]) -> Exception | None:
    return next((error for error in errors if error is not None), None)


def waker(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    """Sets an asyncio event from any thread, also while the loop is shutting down."""

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(event.set)

    return wake
