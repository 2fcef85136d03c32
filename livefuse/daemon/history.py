"""What a channel's changes replaced, so that they can be taken back: the last twenty, in memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from livefuse.config import Config
from livefuse.daemon.job import now
from livefuse.errors import NotHere
from livefuse.reconfigure import changed_keys

MOST_STEPS = 20
_ONE_DRAG_S = 2.0  # a slider that is dragged makes many changes, and is one to whoever takes it back

_UNNOTED = "\0"
_what: ContextVar[str] = ContextVar("what", default="")


@dataclass(frozen=True, slots=True)
class Step:
    """One change. `what` says in words what made it, where that is more than its keys."""

    keys: tuple[str, ...]
    before: Config
    what: str = ""
    when: str = field(default_factory=now)

    def back(self) -> dict[str, Any]:
        """The settings that take it back, nested."""
        return settings_at(self.before, self.keys)


class History:
    """Belongs to the event loop, like its channel."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._steps: deque[Step] = deque(maxlen=MOST_STEPS)
        self._clock_s, self._noted_s = clock_s, -_ONE_DRAG_S

    @property
    def steps(self) -> list[Step]:
        """The newest first."""
        return list(reversed(self._steps))

    @contextmanager
    def noting(self, current: Callable[[], Config]) -> Iterator[None]:
        """Around one change that succeeds or raises: remembers what it replaced."""
        before = current()
        yield
        keys = tuple(key for key in changed_keys(before, current()) if not _opens(key, before))
        if keys and _what.get() != _UNNOTED:
            self._note(Step(keys, before, _what.get()))

    def take(self) -> Step:
        """The newest, which is no longer here then. Raises: NotHere."""
        if not self._steps:
            raise NotHere(
                "there is nothing to undo", hint="changes are remembered since the daemon started, 20 at most"
            )
        self._noted_s = -_ONE_DRAG_S
        return self._steps.pop()

    def put_back(self, step: Step) -> None:
        """One that could not be taken back after all."""
        self._steps.append(step)

    def _note(self, step: Step) -> None:
        now_s = self._clock_s()
        last = self._steps[-1] if self._steps else None
        one_drag = last is not None and (last.keys, last.what) == (step.keys, step.what)
        if not (one_drag and now_s - self._noted_s < _ONE_DRAG_S):
            self._steps.append(step)
        self._noted_s = now_s


class Changing(Protocol):
    """What can be changed, and remembers what that replaced."""

    history: History

    async def change(self, overrides: Mapping[str, Any]) -> dict[str, Any]: ...


@contextmanager
def named(what: str) -> Iterator[None]:
    """Changes made within are remembered under these words."""
    token = _what.set(what)
    try:
        yield
    finally:
        _what.reset(token)


async def undo(channel: Changing) -> tuple[Step, dict[str, Any]]:
    """Take the last change back: the step, and what `change` said. Raises: NotHere, and what the change raises."""
    step = channel.history.take()
    try:
        with named(_UNNOTED):
            return step, await channel.change(step.back())
    except BaseException:
        channel.history.put_back(step)
        raise


def settings_at(config: Config, keys: Sequence[str]) -> dict[str, Any]:
    """The values of dotted keys, as nested settings."""
    values, tree = config.model_dump(), dict[str, Any]()
    for key in keys:
        section, _, name = key.rpartition(".")
        if section:
            tree.setdefault(section, {})[name] = values[section][name]
        else:
            tree[name] = values[name]
    return tree


def _opens(key: str, before: Config) -> bool:
    """Privacy that was closed stays so until somebody says otherwise in so many words: undoing is not that."""
    return key == "privacy.mode" and before.privacy.mode == "open"
