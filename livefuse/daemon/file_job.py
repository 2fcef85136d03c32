"""A file job in a process of its own: `python -m livefuse.daemon.file_job`; `job_process` says why, and what goes to and fro.

The order has `config` and `output`. Told are progress, notes, and the error that ended it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import IO

from livefuse.config import make_config
from livefuse.daemon.job_child import Teller, taken_up
from livefuse.daemon.job_pace import bottleneck
from livefuse.transcode import FileJob, open_job

_REPORT_S = 0.25
_RECORD_EVERY = 8  # percentiles take a while: two seconds apart are often enough
_TELLING_FRAMES = 10  # with fewer, the first ones of every network decide


def main(orders: IO[str] = sys.stdin, reports: IO[str] = sys.stdout) -> None:
    """Run the job that the first line of `orders` describes."""
    order, tell = taken_up(orders), Teller(reports)
    try:
        job = open_job(make_config(order["config"], origin="job"), Path(order["output"]))
        threading.Thread(target=_stop_at_end, args=(orders, job), name="livefuse-orders", daemon=True).start()
        asyncio.run(_run(job, tell))
        for note in job.notes():
            tell(note=note)
    except Exception as error:
        tell.failed(error)


def _stop_at_end(orders: IO[str], job: FileJob) -> None:
    orders.read()
    job.stop()


async def _run(job: FileJob, tell: Teller) -> None:
    session = job.session
    running = asyncio.ensure_future(session.run())
    reports, slowest, slowest_ms = 0, "", None
    while not running.done():
        await asyncio.wait({running}, timeout=_REPORT_S)
        due = reports % _RECORD_EVERY == _RECORD_EVERY - 1 or running.done()
        if due and session.frames_out >= _TELLING_FRAMES:
            slowest, slowest_ms = bottleneck(session.record().get("stages_ms", {}))
        reports += 1
        fps = round(session.fps(), 2)
        tell(
            frames=session.frames_out,
            frames_total=job.frames or None,
            fps=fps,
            bottleneck=slowest,
            bottleneck_ms=slowest_ms,
        )
    await running
    tell(done=True)


if __name__ == "__main__":
    main()
