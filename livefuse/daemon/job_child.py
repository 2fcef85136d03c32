"""What jobs that run in a process of their own have in common, from inside that process."""

from __future__ import annotations

import json
import os
import signal
from typing import IO, Any

from livefuse.errors import JobFailed, LivefuseError

_LOWEST = 19


class Teller:
    """One JSON object a line; a parent that is gone is no reason to fail."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __call__(self, **report: Any) -> None:
        try:
            self._out.write(json.dumps(report) + "\n")
            self._out.flush()
        except BrokenPipeError:
            return

    def failed(self, error: Exception) -> None:
        """Why the job ends without success."""
        if not isinstance(error, LivefuseError):
            hint = "this is a fault of livefuse: please report it"
            error = JobFailed(f"{type(error).__name__}: {error}", hint=hint)
        self(error={"code": error.code, "title": type(error).__name__, "detail": error.message, "hint": error.hint})


def taken_up(orders: IO[str]) -> dict[str, Any]:
    """What the daemon wants done, at the lowest priority from here on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the daemon's terminal: the daemon ends us its own way
    if hasattr(os, "nice"):
        os.nice(_LOWEST)
    order: dict[str, Any] = json.loads(orders.readline())
    return order
