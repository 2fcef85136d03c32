"""A file job in a process of its own: `python -m livefuse.daemon.file_job`.

A process, not a thread: it shares no interpreter lock with the live sessions, so its frames never hold theirs up; it has the
lowest priority, so that they come first wherever both want a core; and a decoder that crashes takes no session with it.

The parent writes one JSON object (config, output) as the first line of standard input, and leaves it open: when it ends, by
being closed or because the parent died, the job is given up. Standard output has one JSON object a line: progress, notes,
and the error that ended it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

from livefuse.config import make_config
from livefuse.errors import JobFailed, LivefuseError
from livefuse.transcode import FileJob, open_job

_REPORT_S = 0.25
_LOWEST = 19


def main(orders: IO[str] = sys.stdin, reports: IO[str] = sys.stdout) -> None:
    """Run the job that the first line of `orders` describes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the daemon's terminal: the daemon ends us its own way
    if hasattr(os, "nice"):
        os.nice(_LOWEST)
    order = json.loads(orders.readline())
    tell = _Teller(reports)
    try:
        job = open_job(make_config(order["config"], origin="job"), Path(order["output"]))
        threading.Thread(target=_stop_at_end, args=(orders, job), name="livefuse-orders", daemon=True).start()
        asyncio.run(_run(job, tell))
        for note in job.notes():
            tell(note=note)
    except LivefuseError as error:
        _fail(tell, error)
    except Exception as error:
        _fail(tell, JobFailed(f"{type(error).__name__}: {error}", hint="this is a fault of livefuse: please report it"))


class _Teller:
    """One JSON object a line; a parent that is gone is no reason to fail."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __call__(self, **report: Any) -> None:
        try:
            self._out.write(json.dumps(report) + "\n")
            self._out.flush()
        except BrokenPipeError:
            return


def _fail(tell: _Teller, error: LivefuseError) -> None:
    tell(error={"code": error.code, "title": type(error).__name__, "detail": error.message, "hint": error.hint})


def _stop_at_end(orders: IO[str], job: FileJob) -> None:
    orders.read()
    job.stop()


async def _run(job: FileJob, tell: _Teller) -> None:
    running = asyncio.ensure_future(job.session.run())
    while not running.done():
        await asyncio.wait({running}, timeout=_REPORT_S)
        tell(frames=job.session.frames_out, frames_total=job.frames or None, fps=round(job.session.fps(), 2))
    await running
    tell(done=True)


if __name__ == "__main__":
    main()
