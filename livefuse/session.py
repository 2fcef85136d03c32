"""A session owns everything that runs: source, pipeline, sinks, their threads, and what may be changed meanwhile.

asyncio is for control: `run` starts the threads and waits; frames never pass through the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from livefuse.adaptive.governor import Governor
from livefuse.capture import Capture, Captured
from livefuse.changeover import Running
from livefuse.changes import Changes
from livefuse.clock import Clock, MonotonicClock
from livefuse.composite.marks import Marks
from livefuse.composite.stage import Bitmap
from livefuse.config import Config
from livefuse.doors import Doors
from livefuse.egress import Egress, Pairs
from livefuse.errors import EmptySource, Interrupted, NotRunning, SessionError
from livefuse.gate import HOLD_WORDS, Gate, HoldKind
from livefuse.held_slates import HeldSlates, hold_slates, slate_of, slate_period_s
from livefuse.idle import Onlookers
from livefuse.loop import PipelineLoop
from livefuse.mailbox import Every, Latest, Mailbox
from livefuse.outputs import Outputs
from livefuse.retire import Retire
from livefuse.session_report import SessionReport
from livefuse.sinks.base import Sink, StreamInfo
from livefuse.source.base import Source
from livefuse.stages import Stages, build_stages
from livefuse.stats import Stats
from livefuse.swap.base import Look
from livefuse.threads import Threads, waker

log = logging.getLogger("livefuse")

State = Literal["new", "opening", "running", "closed"]

_USUAL_FPS = 30  # of sources that do not say
_FRAME_S = 1 / 30


class Session(SessionReport, Changes):
    """One source, one pipeline, any number of sinks.

    `every_frame` is for files: nothing is dropped or paced, and if anything fails, outputs are given up. Otherwise the
    session is live: the newest frame wins, and one failed sink does not end it. `source`, `sinks` and `stages` may be
    handed in ready-made; by default they are made from the configuration. `always` are sinks besides those, which come first;
    `doors` open what the configuration names. With `hold` it begins held: the first picture that leaves is a slate.
    """

    def __init__(
        self,
        config: Config,
        *,
        source: Source | None = None,
        sinks: Sequence[Sink] | None = None,
        stages: Stages | None = None,
        clock: Clock | None = None,
        every_frame: bool = False,
        always: Sequence[Sink] = (),
        doors: Doors | None = None,
        hold: HoldKind = "",
    ) -> None:
        super().__init__(config)
        self.state: State = "new"
        self.clock = clock or MonotonicClock()
        self._source, self._given_sinks, self._stages = source, sinks, stages
        self._every, self._always, self._doors = every_frame, always, doors or Doors()
        self._threads: Threads | None = None
        self._gate = Gate(hold)
        self._ended = asyncio.Event()
        self._stopped = self._over = False
        self._handing = threading.Lock()
        self._stats = Stats("")
        self.pairs: Pairs | None = None

    async def run(self) -> dict[str, Any]:
        """Open, run until the source ends or `stop`, close; the record of the run.

        Raises: LivefuseError of whatever failed first.
        """
        if self.state != "new":
            raise SessionError(f"this session is {self.state}; a session runs once", hint="make a new Session")
        self._tell = waker(asyncio.get_running_loop(), self._ended)
        self.state = "opening"
        try:
            await asyncio.to_thread(self._open_first)
            self.state = "running"
            await self._wait()
        finally:
            await asyncio.to_thread(self._close)
            self.state = "closed"
        self._raise_first_error()
        return self.record()

    def stop(self) -> None:
        """End cleanly: the source stops, what is in flight goes out, outputs are completed. Any thread."""
        self._stopped = True
        if self._threads:
            self._threads.capture.halt()

    def hold(self, kind: HoldKind, *, wait_s: float = _FRAME_S) -> bool:
        """Let slates leave instead of pictures ("pause", "panic"), or pictures again (""); any thread, whatever the pipeline does.

        What waits in front of sinks is held back too. Whether all sinks show the slate is the answer, and waited for as long
        as `wait_s`: one that is stuck in a picture shows it once it can.
        Raises: SessionError of a session that is made of every frame.
        """
        if self._every:
            raise SessionError("a file is written whole: there is nobody to hide from", hint="hold a live session")
        self._gate.hold_as(kind, self.clock.now_ns())
        self._stats.interrupt()
        if self._threads is None:
            return True
        self._threads.slates.follow()
        return self.covered(wait_s)

    def _open_first(self) -> None:
        with self._changing:  # what is changed meanwhile is changed once all is there
            self._open()

    def _open(self) -> None:
        """The source opens on a thread of its own: cameras and servers take their time, and so do models."""
        config = self.config
        given = [(sink, "") for sink in self._given_sinks] if self._given_sinks else self._named_sinks()
        with ThreadPoolExecutor(1, "livefuse-open") as opening:
            opened = None if self._source else opening.submit(self._open_source)
            try:
                self._stages = self._stages or build_stages(config, self.clock, self._drawn, wait=self._every)
                look = self._stages.look(config)
            finally:  # of two things that go wrong, the source is the one to hear of
                self._source = self._source or (opened.result() if opened else None)
        assert self._source is not None
        bare = all(identity is None for identity in look.identities)
        if bare and config.privacy.mode == "closed" and config.backend != "null":
            log.warning("no face to put on (--face): with privacy closed, every picture leaves covered")
        self._assemble(self._source, self._stages, look)
        assert self._threads is not None
        self._threads.start([*((sink, "") for sink in self._always), *given], halted=lambda: self._stopped)

    def _assemble(self, source: Source, stages: Stages, look: Look) -> None:
        config, info = self.config, source.info
        stream = StreamInfo(info.width, info.height, info.fps, info.format, info.colour)
        self._stats = Stats("")
        self._marks = marks = Marks(self._stats, stream, config, self.clock)
        sinks = Outputs(
            stream, self.clock, self._stats, config.live, every=self._every, on_end=self._tell, gate=self._gate
        )
        inbox: Mailbox[Captured] = Every() if self._every else Latest()
        egress = Egress(sinks, self._gate, self.clock)
        cover = slate_of(config.privacy, stream, "camera paused")
        retire = Retire(config.privacy, stages.pipeline, egress, self._gate, cover, self.clock, self._stats)
        if self.pairs is not None:
            self.pairs.begin(stream, self._gate)
            egress.pairs = self.pairs
        governor = None if self._every else Governor(config.adaptive, 1e9 / float(info.fps or _USUAL_FPS))
        loop = PipelineLoop(
            inbox, stages.pipeline, retire, look, self.clock, self._stats,
            live=None if self._every else config.live, gate=self._gate, governor=governor, on_end=self._tell,
        )  # fmt: skip
        self._inbox = inbox
        drawn = dict.fromkeys(HOLD_WORDS, cover) if self._every else hold_slates(config.privacy, stream)
        slates = HeldSlates(self._gate, egress, drawn, self.clock, slate_period_s(stream))
        self._threads = Threads(self._capture(source), loop, sinks, slates, self._onlookers(sinks))
        self._running = Running(stages, loop, marks, sinks, governor)
        if governor is not None:
            marks.note = lambda: governor.note
            governor.govern(self.ladder(config, look))

    def _onlookers(self, sinks: Outputs) -> Onlookers | None:
        def looked_at() -> bool:
            return sinks.looked_at() or (self.pairs is not None and self.pairs.readers() > 0)

        idle_s = self.config.live.idle_s
        if self._every or not idle_s:
            return None
        return Onlookers(self._gate, looked_at, idle_s, self.clock, self._stats)

    def _drawn(self) -> list[Bitmap]:
        return self._marks()  # made once the source has told its size, before the first frame

    def _named_sinks(self) -> list[tuple[Sink, str]]:
        return [(self._open_sink(url), url) for url in self.config.sinks]

    def _open_sink(self, url: str) -> Sink:
        return self._doors.sink(url, self.config)

    def _open_source(self) -> Source:
        return self._doors.source(self.config.source, self.config)

    def _another_source(self, url: str) -> Source:
        assert self._threads is not None
        return self._doors.source_like(self._threads.capture.info, url, self.config)

    def _read_from(self, source: Source) -> None:
        assert self._threads is not None
        following, before = self._capture(source), self._threads.capture
        before.give_way(following)
        with self._handing:
            if self._over:  # nobody would ever end this thread, or close its camera
                following.halt()
                raise NotRunning("the session has ended meanwhile", hint="start it again")
            self._threads.capture = following
            if self._stopped:
                following.halt()
            following.start()

    def _capture(self, source: Source) -> Capture:
        return Capture(
            source, self._inbox, self.clock, self.config.live, self._stats,
            realtime=not self._every, seconds=self.config.seconds, reopen=self._open_source, gate=self._gate,
        )  # fmt: skip

    async def _wait(self) -> None:
        """Until the pipeline has ended, or too few sinks are left to go on for."""
        assert self._threads is not None
        while not self._threads.loop.finished.is_set():
            await self._ended.wait()
            self._ended.clear()
            sinks = self._threads.sinks
            if sinks.errors and (self._every or sinks.all_failed):
                self._threads.capture.halt()
                break

    def _close(self) -> None:
        with self._handing:
            self._over = True
        if self._threads is None:
            if self._source is not None:
                self._source.close()
            return
        self._threads.end_pictures()
        whole = not self._every or (not self._stopped and self._threads.first_error() is None)
        self._threads.sinks.close(keep=whole and self._stats.out > 0)
        if self.pairs is not None:
            self.pairs.end()

    def _raise_first_error(self) -> None:
        assert self._threads is not None
        if (error := self._threads.fatal_error(every=self._every)) is not None:
            raise error
        if self._every and self._stopped:
            raise Interrupted("stopped before the end; nothing was written", hint="run the same command again")
        if not self._stats.captured and not self._stopped:
            raise EmptySource(f"{self.config.source}: ended without a single frame", hint="is it a video?")
