"""`livefuse demo`: the whole pipeline on a drawn face, with nothing needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livefuse.cli import options as o


def demo(
    seconds: Annotated[float, typer.Option(min=0.2, max=600, help="Length of the demo.")] = 5.0,
    out: Annotated[Path, typer.Option(help="Video to write; a before/after PNG lands beside it.")] = Path(
        "livefuse-demo.mp4"
    ),
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Show the video when it is done.")] = True,
    overlay: o.Overlay = True,
    stats: o.Stats = "",
) -> None:
    """Swap a drawn face onto another drawn face, live: no camera, no GPU, no network."""
    from livefuse.cli.live import run_live
    from livefuse.showcase import demo_config, write_before_after

    run_live(demo_config(seconds, out, overlay=overlay, stats=stats))
    typer.echo(out)
    typer.echo(write_before_after(out))
    if open_:
        _show(out)


def _show(video: Path) -> None:
    """Open the video in the system's player where there is somebody to look at it."""
    import os
    import sys

    has_screen = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and sys.stdout.isatty() and not os.environ.get("CI"):
        typer.launch(str(video))
