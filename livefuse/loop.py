"""The pipeline thread: lane 0 and lane 1 in turn, late frames dropped, gaps covered, commands between frames."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from livefuse.adaptive.governor import Governor
from livefuse.capture import Captured
from livefuse.clock import Clock
from livefuse.config import LiveConfig
from livefuse.device.base import Lane
from livefuse.gate import Gate
from livefuse.mailbox import Closed, Mailbox
from livefuse.pipeline import InFlight, Pipeline
from livefuse.retire import Retire
from livefuse.stats import Stats
from livefuse.swap.base import Look

Command = Callable[["PipelineLoop"], None]


class PipelineLoop(threading.Thread):
    """Takes frames until the inbox closes. With `live`, late frames are dropped and gaps are covered.

    Two frames are in flight at most: while one frame's networks run, the frame before is finished and leaves. When no
    frame is waiting, the last one leaves at once. The governor is told how long each frame kept this thread busy.
    """

    def __init__(
        self,
        inbox: Mailbox[Captured],
        pipeline: Pipeline,
        retire: Retire,
        look: Look,
        clock: Clock,
        stats: Stats,
        *,
        live: LiveConfig | None,
        gate: Gate,
        governor: Governor | None = None,
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(name="livefuse-pipeline", daemon=True)
        self.pipeline, self.look = pipeline, look
        self.error: Exception | None = None
        self.finished = threading.Event()
        self.lanes = (Lane(0), Lane(1))
        self._inbox, self._retire, self._clock, self._stats, self._gate = inbox, retire, clock, stats, gate
        self._deadline_ns = round(live.deadline_ms * 1e6) if live else None
        self._stall_s = live.stall_ms / 1e3 if live else None
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._waiting: InFlight | None = None
        self._scene: tuple[int, ...] | None = None
        self._governor = governor
        self._waited_ns = 0
        self._on_end = on_end

    @property
    def dropped_at_capture(self) -> int:
        """Frames that a newer one replaced before this thread could take them."""
        return self._inbox.dropped

    def between_frames(self, command: Command) -> None:
        """Run `command` on the pipeline thread before the next frame: never in the middle of one."""
        self._commands.put(command)

    def change_pipeline(self, pipeline: Pipeline, look: Look) -> None:
        """Go over to other stages; to be called between frames. The frame in flight leaves by those it began with."""
        self._leave(None)
        self.pipeline = self._retire.pipeline = pipeline
        self.look = look

    def run(self) -> None:
        try:
            turn, began_ns = 0, self._clock.now_ns()
            while (captured := self._next()) is not None:
                self._work(self.lanes[turn], captured)
                turn = (turn + 1) % len(self.lanes)
                began_ns = self._govern(began_ns)
            self._leave(None)
        except Exception as error:
            self.error = error
        finally:
            self._inbox.close()
            self.finished.set()
            self._on_end()

    def _govern(self, began_ns: int) -> int:
        """A frame has been worked on since `began_ns`; returns when the next one begins."""
        now_ns = self._clock.now_ns()
        busy_ns, self._waited_ns = now_ns - began_ns - self._waited_ns, 0
        if self._governor is not None:
            self._governor.frame(busy_ns, now_ns)
        return now_ns

    def _work(self, lane: Lane, captured: Captured) -> None:
        if captured.scene != self._scene:
            self._enter(captured.scene)
        captured.trace.mark("queue", self._clock.now_ns())
        flight = self.pipeline.upload(lane, captured.frame, captured.trace)
        if self._waiting is None:  # nothing to do meanwhile: the longer network first
            self.pipeline.follow(flight)
            self.pipeline.look(flight)
            self._waiting = flight
        else:
            self.pipeline.look(flight)
            self._leave(flight)

    def _enter(self, scene: tuple[int, ...]) -> None:
        """Faces that were followed elsewhere are not these: pasted where they were, they would leave the new ones bare."""
        before, self._scene = self._scene, scene
        if before is not None:
            self._leave(None)
            self.pipeline.detect.restart()
            self._retire.forget()

    def _leave(self, following: InFlight | None) -> None:
        """The frame in flight leaves. Its faces are found first, so that the one that follows can start on them."""
        leaving, self._waiting = self._waiting, following
        if leaving is not None:
            self.pipeline.find(leaving, self.look)
        if following is not None:
            self.pipeline.follow(following)
        if leaving is not None:
            self._retire(leaving)

    def _next(self) -> Captured | None:
        """The next frame worth working on; None when no more will come."""
        while True:
            since_ns = self._clock.now_ns()
            try:
                captured = self._inbox.get(self._stall_s if self._waiting is None else 0)
            except Closed:
                return None
            self._waited_ns += self._clock.now_ns() - since_ns
            while not self._commands.empty():
                self._commands.get()(self)
            if captured is None and self._waiting is not None:
                self._leave(None)
            elif captured is None:
                self._retire.cover_gap()
            elif not self._gate.admits(captured.frame.scheduled_ns):
                self._stats.drop("held")
            elif self._late(captured):
                self._stats.drop("deadline")
            else:
                return captured

    def _late(self, captured: Captured) -> bool:
        age_ns = self._clock.now_ns() - captured.frame.scheduled_ns
        return self._deadline_ns is not None and age_ns > self._deadline_ns
