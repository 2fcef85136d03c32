"""How a running session goes over to another configuration: what is needed is made on the caller's thread, and put into force
between two frames, never in the middle of one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from livefuse.adaptive.governor import Governor
from livefuse.adaptive.rungs import Rung, ladder
from livefuse.adaptive.steps import steps as steps_of
from livefuse.clock import Clock
from livefuse.composite.marks import Marks
from livefuse.config import Config
from livefuse.errors import NotRunning
from livefuse.loop import PipelineLoop
from livefuse.outputs import Outputs
from livefuse.reconfigure import Plan
from livefuse.sinks.base import Sink
from livefuse.source.base import Source
from livefuse.stages import Stages, build_stages
from livefuse.swap.base import Look


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a running session that changes reach."""

    stages: Stages
    loop: PipelineLoop
    marks: Marks
    sinks: Outputs
    governor: Governor | None = None


class Changeover(ABC):
    """`config` says what holds now."""

    clock: Clock

    def __init__(self, config: Config) -> None:
        self.config = config
        self._running: Running | None = None
        self._closers: list[object] = []  # who waits to close privacy
        self._changing = threading.Lock()  # two changes at once would each lose the other's half of the configuration

    @contextmanager
    def closing(self, mode: str = "closed") -> Iterator[None]:
        """For whoever is about to close privacy: all is covered from the next frame on, however long a change that began
        with privacy open still takes. Another `mode` does nothing."""
        if mode != "closed":
            yield
            return
        self._closers.append(None)
        try:
            if self._running is not None:
                self._running.loop.between_frames(self._cover)
            yield
        finally:
            self._closers.pop()

    def _cover_all(self, running: Running) -> None:
        """Nothing real leaves from the next frame on, and nothing swapped until there is a look made for that."""
        running.loop.between_frames(self._cover)
        privacy = self.config.privacy.model_copy(update={"mode": "closed"})
        self.config = self.config.model_copy(update={"privacy": privacy})

    def _cover(self, loop: PipelineLoop) -> None:
        """Looks made for open privacy may show parts of the real face: nobody wears one until there is another."""
        composite = loop.pipeline.composite
        if composite.privacy.mode == "open":
            composite.privacy = composite.privacy.model_copy(update={"mode": "closed"})
            if self._running is not None and self._running.governor is not None:
                self._running.governor.govern([])  # else it may put on what it has lowered
            loop.look = replace(loop.look, identities=())

    def _stay_covered(self, loop: PipelineLoop, config: Config) -> None:
        if self._closers and config.privacy.mode == "open":
            self._cover(loop)

    def _go_over(self, running: Running, config: Config, steps: Plan) -> None:
        """Make everything that is needed first; then only put it into force."""
        source = self._another_source(config.source) if steps.source else None
        added: list[str] = []
        try:
            opened = [(self._open_sink(url), url) for url in steps.sinks_added]
            for sink, url in opened:
                added.append(running.sinks.add(sink, url))
            if steps.stages:
                self._restage(running, config)
            else:
                choose = running.stages.choice(config) if steps.choice else None
                if steps.look:
                    self._wear(running, config, choose)
                elif choose is not None:
                    running.loop.between_frames(lambda _: choose())
        except BaseException:
            if source is not None:
                source.close()
            for name in added:
                running.sinks.remove(name)
            raise
        for url in steps.sinks_removed:
            running.sinks.remove(next(name for name, held in running.sinks.urls.items() if held == url))
        if "overlay.enabled" in steps.keys:
            running.loop.between_frames(lambda _: running.marks.show(config.overlay.enabled))
        self.config = config
        if source is not None:
            self._read_from(source)

    def _restage(self, running: Running, config: Config) -> None:
        """Other detectors, landmarkers or runtimes: every stage is made anew, and takes over between two frames."""
        stages = build_stages(config, self.clock, running.marks, wait=False)
        look = stages.look(config)
        self._running = now = replace(running, stages=stages)
        rungs = self.ladder(config, look) if running.governor else []

        def change(loop: PipelineLoop) -> None:
            loop.change_pipeline(stages.pipeline, look)
            now.marks.config = config
            if now.governor is not None:
                now.governor.govern(rungs)
            self._stay_covered(loop, config)

        running.loop.between_frames(change)

    def _wear(self, running: Running, config: Config, besides: Callable[[], None] | None = None) -> None:
        """Put on what a configuration asks for: made here, taken between two frames."""
        look = running.stages.look(config)
        rungs = self.ladder(config, look) if running.governor else []

        def change(loop: PipelineLoop) -> None:
            if running.governor is not None:
                running.governor.govern(rungs)
            loop.look, running.marks.config = look, config
            running.stages.composite.privacy = config.privacy
            if besides is not None:
                besides()
            self._stay_covered(loop, config)

        running.loop.between_frames(change)
        self.config = config

    def ladder(self, config: Config, look: Look) -> list[Rung]:
        """What may be lowered of a session that wears this look."""
        running = self._now()

        def wear(another: Look) -> None:
            running.loop.look = another

        return ladder(config, steps_of(config, running.stages, look, wear))

    @abstractmethod
    def _open_sink(self, url: str) -> Sink: ...

    @abstractmethod
    def _another_source(self, url: str) -> Source:
        """Opened, and of the same size and format as the one that is read. Raises: SourceError, NeedsRestart."""

    @abstractmethod
    def _read_from(self, source: Source) -> None: ...

    def _now(self) -> Running:
        if self._running is None:
            raise NotRunning("the session is not running", hint="start it first")
        return self._running
