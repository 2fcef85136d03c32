"""`livefuse upscale`: a picture or a video, enlarged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli import options as o

if TYPE_CHECKING:
    from livefuse.config import Config
    from livefuse.enhance.upscale.upscaler import Cutting
    from livefuse.transcode import FileJob

_REFRESH_S = 0.2


def upscale(
    target: Annotated[str, typer.Argument(help="Picture or video to enlarge.")],
    out: Annotated[Path, typer.Argument(help="Where the result goes; it appears when it is complete.")],
    model: Annotated[str, typer.Option(help="Upscaler model.")] = "real_esrgan_x2",
    tile: Annotated[int | None, typer.Option(help="Largest side of a tile, px; memory goes with its square.")] = None,
    overlap: Annotated[
        int | None, typer.Option(help="How much of a tile is only looked at on each side, px; more hides seams better.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads of the model; 0: one for each core.")] = 0,
    stats: o.Stats = "",
    setting: o.Settings = None,
) -> None:
    """Enlarge a picture or video: every frame, sound and timing kept. Nothing else changes; no face is swapped."""
    import os

    from livefuse.config import make_config
    from livefuse.enhance.upscale.upscaler import Cutting

    flags = {
        "source": target,
        "sinks": (str(out),),
        "stats": stats,
        "backend": "null",
        "privacy.mode": "open",
        "overlay.badge": False,
        "output.upscale": model,
        "runtime.threads": threads or os.cpu_count() or 1,
    }
    _run(make_config({}, o.settings(flags, setting)), out, Cutting(tile, overlap))


def _run(config: Config, out: Path, cutting: Cutting) -> None:
    import asyncio

    from rich.console import Console

    from livefuse.cli.live import stopped_by_signals, write_stats
    from livefuse.transcode import open_job

    job = open_job(config, out, cutting)
    with stopped_by_signals(job):
        record = asyncio.run(_watched(job))
    console = Console(stderr=True)
    for note in job.notes():
        console.print(f"note: {note}", highlight=False)
    if config.stats:
        write_stats(record, config.stats)
    console.print(f"wrote {out}", highlight=False)


async def _watched(job: FileJob) -> dict[str, Any]:
    """Frames that are written count, not those that wait for the upscaler."""
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("upscaling", total=job.frames or None)
        running = asyncio.ensure_future(job.session.run())
        while not running.done():
            await asyncio.wait({running}, timeout=_REFRESH_S)
            bar.update(task, completed=getattr(job.sink, "progress", 0.0))
        return await running
