"""What can be lowered: a ladder of steps, the least missed first, made of what a session really runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from livefuse.config import Config
from livefuse.sections import Rung as Kind


@dataclass(frozen=True, slots=True)
class Rung:
    """One step. `words` say what holds once it is taken, for the overlay; `lower` and `restore` run between two frames."""

    kind: Kind
    words: str
    lower: Callable[[], None]
    restore: Callable[[], None]


@runtime_checkable
class Cadenced(Protocol):
    """What runs on every n-th frame, where n may change between two frames."""

    every: int


def ladder(config: Config, steps: dict[Kind, Sequence[Rung]]) -> list[Rung]:
    """Rungs of all kinds that are allowed, in turns: the first step of each kind, then the second of each."""
    kinds = [list(steps.get(kind, ())) for kind in config.adaptive.allowed]
    longest = max((len(rungs) for rungs in kinds), default=0)
    return [rungs[turn] for turn in range(longest) for rungs in kinds if turn < len(rungs)]


def cadence(kind: Kind, what: str, target: Cadenced, usual: int, factors: Sequence[int]) -> list[Rung]:
    """Running something less often, ever less, than on every `usual`-th frame. What the target does now is not asked: it may be
    lowered already, by the ladder before this one."""
    rungs, held = [], usual
    for factor in factors:
        rungs.append(attribute(kind, f"{what} 1/{usual * factor}", target, "every", usual * factor, held))
        held = usual * factor
    return rungs


def attribute(kind: Kind, words: str, target: Any, name: str, lowered: Any, usual: Any) -> Rung:
    """Setting one attribute to a cheaper value, and back."""
    return Rung(kind, words, lambda: setattr(target, name, lowered), lambda: setattr(target, name, usual))
