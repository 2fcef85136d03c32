"""What may be changed while a session runs. Everything slow is done on the caller's thread; the pipeline takes the finished
thing between two frames, never in the middle of one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from livefuse.adaptive.governor import Governor
from livefuse.adaptive.rungs import Rung, ladder
from livefuse.adaptive.steps import steps as steps_of
from livefuse.clock import Clock
from livefuse.composite.marks import Marks
from livefuse.config import (
    ColourConfig,
    Config,
    EnhanceConfig,
    ExpressionConfig,
    IdentityConfig,
    MaskConfig,
    ProfileConfig,
    RoleConfig,
    SwapConfig,
    TrackConfig,
)
from livefuse.errors import LivefuseError, NeedsRestart, NotRunning
from livefuse.loop import PipelineLoop
from livefuse.outputs import Outputs
from livefuse.reconfigure import Plan, plan
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


class Changes(ABC):
    """The live half of a session. `config` says what holds now; any thread may call."""

    clock: Clock

    def __init__(self, config: Config) -> None:
        self.config = config
        self._running: Running | None = None
        self._closers: list[object] = []  # who waits to close privacy
        self._changing = threading.Lock()  # two changes at once would each lose the other's half of the configuration

    def change(self, config: Config) -> list[str]:
        """Go over to another configuration, all of it or none of it; the keys that were changed.

        A failure leaves what holds now in force, but for closing privacy, which happens first and stays.
        Raises: NeedsRestart naming the keys that a running session cannot take; whatever the new settings need and lack.
        """
        _check(plan(self.config, config), config)
        with self.closing(config.privacy.mode), self._changing:
            steps = plan(self.config, config)  # anew: what held before may just have been changed
            _check(steps, config)
            closes = config.privacy.mode == "closed" != self.config.privacy.mode
            if closes:
                self._cover_all(self._now())
            try:
                self._go_over(self._now(), config, steps)
            except LivefuseError:
                if closes:  # as it looked, but closed; where that shows parts of the real face, all stays covered
                    with suppress(LivefuseError):
                        self._wear(self._now(), self.config)
                raise
            return steps.keys

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

    def add_sink(self, url: str) -> str:
        """Send the pictures to one more place as well; the sink's name. Raises: BadValue, SinkError."""
        with self._changing:
            name = self._now().sinks.add(self._open_sink(url), url)
            self.config = self.config.model_copy(update={"sinks": (*self.config.sinks, url)})
            return name

    def remove_sink(self, name: str) -> None:
        """Complete an output and let it go; the others do not notice. Raises: NotHere."""
        with self._changing:
            running = self._now()
            url = running.sinks.urls.get(name)
            running.sinks.remove(name)
            left = list(self.config.sinks)
            if url in left:
                left.remove(url)
            self.config = self.config.model_copy(update={"sinks": tuple(left)})

    def change_source(self, url: str) -> None:
        """Read from elsewhere; opened first, so that nothing is lost if it cannot be.

        Raises: SourceError, BadValue; NeedsRestart where its pictures are of another size or format.
        """
        self._dress(source=url)

    def change_identity(self, identity: IdentityConfig) -> None:
        """Put another face on. Raises: IdentityError."""
        self._dress(identity=identity)

    def change_cast(self, cast: Sequence[RoleConfig]) -> None:
        """Say anew who wears whom. Raises: IdentityError, ModelMissing."""
        self._dress(cast=tuple(cast))

    def change_swapper(
        self, swap: SwapConfig, *, profile: ProfileConfig | None = None, identity: IdentityConfig | None = None
    ) -> None:
        """Go over to another swapper, of any family; profile and identity stay unless they are given.

        Raises: ModelError, EngineError, IdentityError.
        """
        given = {"profile": profile, "identity": identity}
        self._dress(swap=swap, **{name: value for name, value in given.items() if value is not None})

    def change_finish(
        self,
        *,
        mask: MaskConfig | None = None,
        colour: ColourConfig | None = None,
        enhance: EnhanceConfig | None = None,
        expression: ExpressionConfig | None = None,
    ) -> None:
        """Other masks, colours or enhancers; what is not given stays. Raises: ModelError, EngineError, BadValue."""
        given = {"mask": mask, "colour": colour, "enhance": enhance, "expression": expression}
        self._dress(**{name: section for name, section in given.items() if section is not None})

    def change_choice(self, track: TrackConfig) -> None:
        """Choose other faces to swap; tracks keep their ids. Raises: IdentityError, ModelMissing."""
        self._dress(track=track)

    def change_privacy(self, mode: Literal["closed", "open"]) -> None:
        """Takes effect before the next frame; closing does so whatever else fails: then no face is swapped, and all is covered.

        Raises: BadValue where settings leave parts of the real face in the picture, IdentityError, ModelError.
        """
        with self.closing(mode), self._changing:
            self._set_privacy(self._now(), mode)

    def change_overlay(self, enabled: bool) -> None:
        """Show or hide the latency overlay."""
        self._dress(overlay=self.config.overlay.model_copy(update={"enabled": enabled}))

    def _dress(self, **sections: Any) -> None:
        with self._changing:
            config = self.config.model_copy(update=sections)
            self._go_over(self._now(), config, plan(self.config, config))

    def _set_privacy(self, running: Running, mode: Literal["closed", "open"]) -> None:
        privacy = self.config.privacy.model_copy(update={"mode": mode})
        config = self.config.model_copy(update={"privacy": privacy})
        if mode == "closed":
            self._cover_all(running)
        self._wear(running, config)

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


def _check(steps: Plan, config: Config) -> None:
    if steps.restart:
        raise NeedsRestart(f"{', '.join(steps.restart)}: not while the session runs", hint="restart the session for it")
    if steps.source and "privacy.mode" in steps.keys and config.privacy.mode == "open":
        # what the source before has delivered is still on its way, and was never meant to be seen
        raise NeedsRestart("source, privacy.mode: not both while the session runs", hint="restart the session for it")
