"""Runs a file job in the foreground, with a bar on a terminal and plain lines elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from livefuse.cli.live import stopped_by_signals, write_stats
from livefuse.cli.table import print_record
from livefuse.config import Config
from livefuse.transcode import FileJob, open_job

_REFRESH_S = 0.2


def run_with_progress(config: Config, out: Path) -> dict[str, Any]:
    """Swap `config.source` into `out`; the record."""
    job = open_job(config, out)
    with stopped_by_signals(job):
        record = asyncio.run(_watched(job))
    for note in job.notes():
        Console(stderr=True).print(f"note: {note}", highlight=False)
    print_record(record)
    if config.stats:
        write_stats(record, config.stats)
    Console(stderr=True).print(f"wrote {out}", highlight=False)
    return record


async def _watched(job: FileJob) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]:.1f} fps"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("swapping", total=job.frames or None, fps=0.0)
        running = asyncio.ensure_future(job.session.run())
        while not running.done():
            await asyncio.wait({running}, timeout=_REFRESH_S)
            bar.update(task, completed=job.session.frames_out, fps=job.session.fps())
        return await running
