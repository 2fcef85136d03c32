"""A session owns everything that runs: source, pipeline, sinks, their threads, and what may be changed meanwhile.

asyncio is for control: `run` starts the threads and waits; frames never pass through the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from livefuse.adaptive.governor import Governor
from livefuse.capture import Capture, Captured
from livefuse.changes import Changes, Running
from livefuse.clock import Clock, MonotonicClock
from livefuse.composite.marks import Marks
from livefuse.composite.stage import Bitmap
from livefuse.config import Config
from livefuse.doors import Doors
from livefuse.egress import Egress, HeldSlates, Pairs
from livefuse.engines import Loaded
from livefuse.environment import environment
from livefuse.errors import EmptySource, Interrupted, NotRunning, SessionError
from livefuse.frame import HostFrame
from livefuse.gate import HOLD_WORDS, Gate, HoldKind
from livefuse.idle import Onlookers
from livefuse.loop import PipelineLoop
from livefuse.mailbox import Every, Latest, Mailbox
from livefuse.memory import resident_bytes
from livefuse.outputs import Outputs
from livefuse.retire import Retire
from livefuse.sinks.base import Sink, StreamInfo
from livefuse.source.base import Source
from livefuse.stages import Stages, build_stages
from livefuse.stats import Stats
from livefuse.swap.base import Look

log = logging.getLogger("livefuse")

State = Literal["new", "opening", "running", "closed"]

_JOIN_S = 10.0
_USUAL_FPS = 30  # of sources that do not say, and the most at which slates leave
_FRAME_S = 1 / 30


@dataclass(slots=True)
class _Threads:
    capture: Capture
    loop: PipelineLoop
    sinks: Outputs
    slates: HeldSlates
    onlookers: Onlookers | None


class Session(Changes):
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
        self._threads: _Threads | None = None
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
        self._tell = _waker(asyncio.get_running_loop(), self._ended)
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

    def covered(self, wait_s: float = 0.0) -> bool:
        """Whether all sinks show the slate that `hold` asked for; waits so long for those that do not yet."""
        return not self._gate.hold or self._threads is None or self._threads.sinks.covered(wait_s)

    @property
    def held(self) -> HoldKind:
        """What `hold` said last."""
        return self._gate.hold

    @property
    def idle(self) -> bool:
        """Whether the pipeline rests, as nobody looks."""
        return self._gate.idle

    def record(self) -> dict[str, Any]:
        """The record of design §6, so far."""
        threads = self._threads
        if threads is not None:
            self._stats.dropped["capture"] = threads.loop.dropped_at_capture
        lanes = sum(lane.nbytes for lane in threads.loop.lanes) if threads else 0
        memory = {"vram_bytes": 0, "rss_bytes": resident_bytes(), "lane_bytes": lanes}
        record = self._stats.record(memory, environment()) | {"recent": self._stats.recent.record(self.clock.now_ns())}
        if threads is not None:
            info = threads.capture.info
            record["source"] = {"width": info.width, "height": info.height, "fps": round(float(info.fps), 3)}
        governor = self._running.governor if self._running else None
        gate = {} if self._every else {"hold": self._gate.hold, "idle": self._gate.idle}
        return record | gate | ({"adaptive": governor.record()} if governor else {})

    def histograms(self) -> dict[str, Any]:
        """Stage, latency and interval times as `Buckets` count them."""
        return self._stats.histograms()

    def frame_age_s(self) -> float | None:
        """Seconds since the last frame left the pipeline; None while none has, or none is meant to."""
        if self._gate.shut:
            return None
        age_ns = self._stats.newest_age_ns(self.clock.now_ns())
        return None if age_ns is None else age_ns / 1e9

    @property
    def sink_urls(self) -> dict[str, str]:
        """Running sinks by name."""
        return self._threads.sinks.urls if self._threads else {}

    @property
    def networks(self) -> tuple[Loaded, ...]:
        """Those that it has loaded, in the order in which that was done."""
        engines = self._running.stages.engines if self._running else None
        return engines.loaded if engines else ()

    @property
    def frames_out(self) -> int:
        """Frames that have left the pipeline."""
        return self._stats.out

    def fps(self) -> float:
        """Frames per second over the last two seconds."""
        return self._stats.fps(self.clock.now_ns())

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
        self._start(self._threads, given)

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
        cover = self._slate(stream, "camera paused")
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
        slates = self._held_slates(stream, egress, cover)
        self._threads = _Threads(self._capture(source), loop, sinks, slates, self._onlookers(sinks))
        self._running = Running(stages, loop, marks, sinks, governor)
        if governor is not None:
            marks.note = lambda: governor.note
            governor.govern(self.ladder(config, look))

    def _slate(self, stream: StreamInfo, words: str) -> HostFrame:
        from livefuse.composite.slate import slate

        picture = self.config.privacy.slate or None
        return slate(stream.format, stream.height, stream.width, stream.colour, words, picture)

    def _held_slates(self, stream: StreamInfo, egress: Egress, cover: HostFrame) -> HeldSlates:
        """Drawn now, where they can be needed: a panic must not wait for it."""
        same = self._every or bool(self.config.privacy.slate)
        drawn = {kind: cover if same else self._slate(stream, words) for kind, words in HOLD_WORDS.items()}
        period_s = 1 / min(_USUAL_FPS, float(stream.fps or _USUAL_FPS))
        return HeldSlates(self._gate, egress, drawn, self.clock, period_s)

    def _onlookers(self, sinks: Outputs) -> Onlookers | None:
        def looked_at() -> bool:
            return sinks.looked_at() or (self.pairs is not None and self.pairs.readers() > 0)

        idle_s = self.config.live.idle_s
        if self._every or not idle_s:
            return None
        return Onlookers(self._gate, looked_at, idle_s, self.clock, self._stats)

    def _drawn(self) -> list[Bitmap]:
        return self._marks()  # made once the source has told its size, before the first frame

    def _start(self, threads: _Threads, given: Sequence[tuple[Sink, str]]) -> None:
        threads.sinks.open([*((sink, "") for sink in self._always), *given])
        threads.slates.follow()
        threads.loop.start()
        if threads.onlookers is not None:
            threads.onlookers.start()
        if self._stopped:
            threads.capture.halt()
        threads.capture.start()

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
            if sinks.errors and (self._every or len(sinks.errors) == len(sinks)):
                self._threads.capture.halt()
                break

    def _close(self) -> None:
        with self._handing:
            self._over = True
        if self._threads is None:
            if self._source is not None:
                self._source.close()
            return
        capture, loop, sinks = self._threads.capture, self._threads.loop, self._threads.sinks
        capture.halt()
        for thread in (capture, loop):
            if thread.ident is not None:
                thread.join(_JOIN_S)
        if self._threads.onlookers is not None:
            self._threads.onlookers.end()
        self._threads.slates.end()
        whole = not self._every or (not self._stopped and self._first_error() is None)
        sinks.close(keep=whole and self._stats.out > 0)
        if self.pairs is not None:
            self.pairs.end()

    def _first_error(self) -> Exception | None:
        if self._threads is None:
            return None
        errors = [self._threads.loop.error, self._threads.capture.error, *self._threads.sinks.errors]
        return next((error for error in errors if error is not None), None)

    def _raise_first_error(self) -> None:
        threads = self._threads
        assert threads is not None
        fatal = [threads.loop.error, threads.capture.error]
        sink_errors = threads.sinks.errors
        if self._every or (sink_errors and len(sink_errors) == len(threads.sinks)):
            fatal += sink_errors
        for error in fatal:
            if error is not None:
                raise error
        if self._every and self._stopped:
            raise Interrupted("stopped before the end; nothing was written", hint="run the same command again")
        if not self._stats.captured and not self._stopped:
            raise EmptySource(f"{self.config.source}: ended without a single frame", hint="is it a video?")


def _waker(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    """Sets an asyncio event from any thread, also while the loop is shutting down."""

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(event.set)

    return wake
