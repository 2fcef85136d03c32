"""What may be changed while a session runs; `changeover` has how."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from livefuse.changeover import Changeover, Running
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
from livefuse.errors import LivefuseError, NeedsRestart
from livefuse.reconfigure import Plan, plan


class Changes(Changeover):
    """The live half of a session. `config` says what holds now; any thread may call."""

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


def _check(steps: Plan, config: Config) -> None:
    if steps.restart:
        raise NeedsRestart(f"{', '.join(steps.restart)}: not while the session runs", hint="restart the session for it")
    if steps.source and "privacy.mode" in steps.keys and config.privacy.mode == "open":
        # what the source before has delivered is still on its way, and was never meant to be seen
        raise NeedsRestart("source, privacy.mode: not both while the session runs", hint="restart the session for it")
