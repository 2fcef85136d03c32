"""The controller at work in a session: it watches the pipeline's thread, takes and takes back rungs, and says so."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from livefuse.adaptive.controller import Controller
from livefuse.adaptive.rungs import Rung
from livefuse.config import AdaptiveConfig

log = logging.getLogger("livefuse")

_MOST_LOGGED = 1000


class Governor:
    """Lowers and restores quality between frames. Used by the pipeline's thread; `note` and `record` by any."""

    def __init__(self, config: AdaptiveConfig, period_ns: float) -> None:
        self.note = ""
        """What is lowered and why, in few words; empty when nothing is."""
        self._config, self._period_ns = config, period_ns
        self._rungs: Sequence[Rung] = ()
        self._controller = Controller(0, period_ns, 0)
        self._frames = self._late = 0
        self._changes: list[dict[str, Any]] = []
        self._began_ns: int | None = None

    def govern(self, rungs: Sequence[Rung]) -> None:
        """Start over with another ladder: what was lowered of the one before is restored first."""
        for rung in reversed(self._rungs[: self._controller.level]):
            rung.restore()
        self._rungs = rungs if self._config.enabled else ()
        budget_ns = self._config.load * self._period_ns
        self._controller = Controller(len(self._rungs), budget_ns, self._config.settle_s * 1e9)
        self.note = ""

    def frame(self, busy_ns: int, now_ns: int) -> None:
        """A frame kept the pipeline's thread busy for so long."""
        self._began_ns = now_ns if self._began_ns is None else self._began_ns
        self._frames += 1
        self._late += busy_ns > self._period_ns
        controller = self._controller
        change = controller.observe(busy_ns, now_ns)
        if change == 0:
            return
        level = controller.level
        moved = self._rungs[level - change : level] if change > 0 else self._rungs[level : level - change]
        for rung in moved:
            rung.lower() if change > 0 else rung.restore()
        self._tell(change, moved, now_ns)

    def record(self) -> dict[str, Any]:
        """Frames that kept the thread busy for longer than a frame's time, what is lowered now, and every change."""
        lowered = [rung.words for rung in self._rungs[: self._controller.level]]
        return {"frames": self._frames, "late": self._late, "lowered": lowered, "changes": list(self._changes)}

    def _tell(self, change: int, moved: Sequence[Rung], now_ns: int) -> None:
        taken_ms, budget_ms = self._controller.taken_ns / 1e6, self._config.load * self._period_ns / 1e6
        in_force = {rung.words.rpartition(" ")[0]: rung.words for rung in self._rungs[: self._controller.level]}
        why = f"{taken_ms:.0f} of {budget_ms:.0f} ms"
        self.note = f"{why}: {', '.join(in_force.values())}" if in_force else ""
        words = ", ".join(rung.words for rung in moved)
        log.info("%s: %s (frames took %s)", "lowered" if change > 0 else "raised again", words, why)
        if len(self._changes) < _MOST_LOGGED:
            at_s = round((now_ns - (self._began_ns or now_ns)) / 1e9, 2)
            self._changes.append(
                {
                    "at_s": at_s,
                    "change": change,
                    "rungs": words,
                    "took_ms": round(taken_ms, 1),
                    "level": self._controller.level,
                }
            )
