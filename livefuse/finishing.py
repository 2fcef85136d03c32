"""The stages after the swap: masks, colour, enhancers. Each is kept while its settings stay, and with it what it remembers of
the faces it follows: another identity does not make masks start over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

from livefuse.config import Config
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.swap.base import ColourStage, EnhanceStage, Look, MaskStage

MOST_KEPT = 16
T = TypeVar("T")


class Finishing:
    """Makes and keeps them. `wait` says whether a frame waits for its enhancer: files do, live pictures do not."""

    def __init__(self, backend: Backend, engines: Engines, *, wait: bool) -> None:
        self._backend, self._engines, self._wait = backend, engines, wait
        self._held: dict[object, object] = {}

    def finished(self, look: Look, config: Config) -> Look:
        """The look with the stages that the configuration asks for. Raises: ModelError, EngineError, BadValue."""
        return replace(look, masks=self._masks(config), colour=self._colour(config), enhance=self._enhance(config))

    def _masks(self, config: Config) -> MaskStage | None:
        from livefuse.composite.masks.make import make_masks

        swap, profile = config.swap, config.profile
        key = (
            "masks",
            config.mask,
            swap.model,
            swap.keep_mouth,
            swap.keep_eyes,
            profile,
            config.align.model,
            config.privacy,
        )
        return self._kept(key, lambda: make_masks(config, self._engines, self._backend))

    def _colour(self, config: Config) -> ColourStage | None:
        from livefuse.composite.colour.make import make_colour

        return self._kept(
            ("colour", config.colour, config.swap.model, config.profile.name), lambda: make_colour(config)
        )

    def _enhance(self, config: Config) -> tuple[EnhanceStage, ...]:
        from livefuse.enhance.expression.make import make_expression
        from livefuse.enhance.make import make_enhancers

        def made() -> tuple[EnhanceStage, ...]:
            expression = make_expression(config, self._engines, self._backend)
            enhancers = make_enhancers(config, self._engines, self._backend, wait=self._wait)
            return (*([expression] if expression else []), *enhancers)

        key = (
            "enhance",
            config.enhance,
            config.expression,
            config.profile.name,
            config.swap.model,
            config.privacy.mode,
        )
        return self._kept(key, made)

    def _kept(self, key: object, make: Callable[[], T]) -> T:
        return cast(T, kept(self._held, key, make))  # one dictionary holds stages of several types


def kept(held: dict[object, T], key: object, load: Callable[[], T]) -> T:
    """From memory, or loaded; the oldest of many is let go."""
    if key not in held:
        while len(held) >= MOST_KEPT:
            held.pop(next(iter(held)))
        held[key] = load()
    return held[key]
