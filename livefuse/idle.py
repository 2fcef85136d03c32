"""Sees whether anybody looks, so that a session without onlookers costs next to nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from livefuse.clock import Clock
from livefuse.gate import Gate
from livefuse.stats import Stats

log = logging.getLogger("livefuse")

_LOOK_S = 1.0
_LOOK_IDLE_S = 0.1  # what it may cost the first who looks again


class Onlookers(threading.Thread):
    """Rests the gate once `looked_at` has said no for `idle_s`, and wakes it as soon as it says yes."""

    def __init__(self, gate: Gate, looked_at: Callable[[], bool], idle_s: float, clock: Clock, stats: Stats) -> None:
        super().__init__(name="livefuse-onlookers", daemon=True)
        self._gate, self._looked_at, self._idle_s = gate, looked_at, idle_s
        self._clock, self._stats = clock, stats
        self._ended = threading.Event()
        self._failed = False

    def end(self) -> None:
        self._ended.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        seen_ns = self._clock.now_ns()
        while not self._ended.wait(_LOOK_IDLE_S if self._gate.idle else min(_LOOK_S, self._idle_s / 4)):
            now_ns = self._clock.now_ns()
            if self._looks():
                seen_ns = now_ns
                if self._gate.idle:
                    self._stats.interrupt()
                    self._gate.rest(False)
            elif now_ns - seen_ns >= self._idle_s * 1e9:
                self._gate.rest(True)

    def _looks(self) -> bool:
        """A sink that cannot say is taken for looked at: nobody is to see nothing because of that."""
        try:
            return self._looked_at()
        except Exception:
            if not self._failed:
                log.exception("whether anybody looks cannot be told")
            self._failed = True
            return True
