"""When to lower quality and when to raise it again: pure logic over how long frames took, so that tests can ask about any load.

Lowering is quick, because every frame late is a frame lost. Raising is slow and asks first what it would cost: how much a step
saved is measured when it is taken, so a step is taken back only when what the frames take now, times that, would still
fit. A step that had to be taken again soon after is left alone for longer each time. That is what keeps it from hunting.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

_WINDOW = 12
"""Frames that a judgement rests on, and that pass after a step before the next is judged."""

_STEEP = 1.5  # over the budget by as much: two steps at once
_SPARE = 0.92  # of the budget: what raising may be expected to need
_EASY = 0.6  # of the budget: with as much to spare, steps after the first come back sooner
_LEAST_SAVED, _MOST_SAVED = 1.03, 3.0
_MOST_PATIENCE = 16


@dataclass(slots=True)
class _Step:
    """What is known of one rung: how many times cheaper frames were with it, and how patiently it is taken back."""

    saved: float = _LEAST_SAVED
    patience: int = 1
    raised_ns: int | None = None


class Controller:
    """Decides how many of `rungs` steps are in force; `level` is that number. `budget_ns` is what a frame may take."""

    def __init__(self, rungs: int, budget_ns: float, settle_ns: float) -> None:
        self.level = 0
        self.taken_ns = 0.0
        """What frames took, when they were last judged."""
        self._budget_ns, self._settle_ns = budget_ns, settle_ns
        self._steps = [_Step() for _ in range(rungs)]
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._before: tuple[int, float] | None = None
        self._quiet_ns: int | None = None
        self._again = False

    def observe(self, busy_ns: float, now_ns: int) -> int:
        """A frame took this long; the change of level that follows from it: positive lowers quality."""
        self._recent.append(busy_ns)
        if len(self._recent) < _WINDOW:
            return 0
        self.taken_ns = typical(self._recent)
        self._learn()
        if self.taken_ns > self._budget_ns:
            self._quiet_ns, self._again = None, False
            return self._lower(now_ns)
        return self._raise(now_ns)

    def _learn(self) -> None:
        """What the last step saved, now that a window of frames has passed since."""
        if self._before is not None:
            step, before_ns = self._before
            self._steps[step].saved = float(np.clip(before_ns / self.taken_ns, _LEAST_SAVED, _MOST_SAVED))
            self._before = None

    def _lower(self, now_ns: int) -> int:
        wanted = 2 if self.taken_ns > _STEEP * self._budget_ns else 1
        change = min(wanted, len(self._steps) - self.level)
        if change <= 0:
            return 0
        for step in self._steps[self.level : self.level + change]:
            soon = step.raised_ns is not None and now_ns - step.raised_ns < 3 * self._settle_ns * step.patience
            step.patience = min(step.patience * 2, _MOST_PATIENCE) if soon else 1
            step.saved = _LEAST_SAVED
        # of two steps at once the second is taken to have saved all: it is the one that comes back first
        self._before = (self.level + change - 1, self.taken_ns)
        self._move(change)
        return change

    def _raise(self, now_ns: int) -> int:
        if self.level == 0:
            return 0
        step = self._steps[self.level - 1]
        if self.taken_ns * step.saved > _SPARE * self._budget_ns:
            self._quiet_ns = None
            return 0
        if self._quiet_ns is None:
            self._quiet_ns = now_ns
        easy = self._again and self.taken_ns < _EASY * self._budget_ns and step.patience == 1
        if now_ns - self._quiet_ns < self._settle_ns * step.patience * (0.25 if easy else 1.0):
            return 0
        step.raised_ns, self._quiet_ns, self._again = now_ns, None, True
        self._move(-1)
        return -1

    def _move(self, change: int) -> None:
        self.level += change
        self._recent.clear()


def typical(busy_ns: deque[float]) -> float:
    """The mean without the longest: a single slow frame (a garbage collection, another program starting) is no trend, while
    work that comes with every n-th frame is."""
    values = np.fromiter(busy_ns, np.float64)
    return float((values.sum() - values.max()) / (len(values) - 1))
