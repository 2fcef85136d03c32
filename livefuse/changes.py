"""What may be changed while a session runs. Everything slow is done on the caller's thread; the pipeline takes the finished
thing between two frames, never in the middle of one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from livefuse.adaptive.governor import Governor
from livefuse.adaptive.rungs import Rung, ladder
from livefuse.adaptive.steps import steps
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
from livefuse.errors import SessionError
from livefuse.loop import PipelineLoop
from livefuse.stages import Stages
from livefuse.swap.base import Look


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of a running session that changes reach."""

    stages: Stages
    loop: PipelineLoop
    marks: Marks
    governor: Governor | None = None


class Changes:
    """The live half of a session. `config` says what holds now; any thread may call."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._running: Running | None = None
        self._changing = threading.Lock()  # two changes at once would each lose the other's half of the configuration

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
        with self._changing:
            running, config = self._now(), self.config.model_copy(update={"track": track})
            choose = running.stages.choice(config)
            running.loop.between_frames(lambda _: choose())
            self.config = config

    def change_privacy(self, mode: Literal["closed", "open"]) -> None:
        """Takes effect before the next frame; closing does so whatever else fails: then no face is swapped, and all is covered.

        Raises: BadValue where settings leave parts of the real face in the picture, IdentityError, ModelError.
        """
        with self._changing:
            running = self._now()
            privacy = self.config.privacy.model_copy(update={"mode": mode})
            config = self.config.model_copy(update={"privacy": privacy})

            def change() -> None:
                running.stages.composite.privacy = privacy

            if mode == "closed":
                running.loop.between_frames(lambda _: change())
                self.config = config
            try:
                self._wear(running, config, change)
            except Exception:
                if mode == "closed":
                    running.loop.between_frames(_undress)
                raise

    def change_overlay(self, enabled: bool) -> None:
        """Show or hide the latency overlay."""
        running = self._now()
        running.loop.between_frames(lambda _: running.marks.show(enabled))

    def _dress(self, **sections: Any) -> None:
        with self._changing:
            running, config = self._now(), self.config.model_copy(update=sections)
            self._wear(running, config, running.stages.choice(config) if "cast" in sections else None)

    def _wear(self, running: Running, config: Config, besides: Callable[[], None] | None = None) -> None:
        """Put on what a configuration asks for: made here, taken between two frames."""
        look = running.stages.look(config)
        rungs = self.ladder(config, look) if running.governor else []

        def change(loop: PipelineLoop) -> None:
            if running.governor is not None:
                running.governor.govern(rungs)
            loop.look, running.marks.config = look, config
            if besides is not None:
                besides()

        running.loop.between_frames(change)
        self.config = config

    def ladder(self, config: Config, look: Look) -> list[Rung]:
        """What may be lowered of a session that wears this look."""
        running = self._now()

        def wear(another: Look) -> None:
            running.loop.look = another

        return ladder(config, steps(config, running.stages, look, wear))

    def _now(self) -> Running:
        if self._running is None:
            raise SessionError("the session is not running", hint="start it first")
        return self._running


def _undress(loop: PipelineLoop) -> None:
    loop.look = replace(loop.look, identities=())
