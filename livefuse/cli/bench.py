"""`livefuse bench`: measures on this machine."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from livefuse.cli import options as o


def pipeline(
    resolution: Annotated[str, typer.Option(help="360p, 480p, 720p, 1080p, 1440p, 2160p or WIDTHxHEIGHT.")] = "720p",
    frames: Annotated[int, typer.Option(min=30, help="Frames to measure, after a warm-up of 90.")] = 600,
    swapper: o.Swapper = "mesh",
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output.")] = False,
    setting: o.Settings = None,
) -> None:
    """Whole pipeline at full speed: synthetic clip from memory, detection on every frame, a sink that counts."""
    from livefuse.bench.clip import parse_resolution
    from livefuse.bench.pipeline import measure
    from livefuse.cli.table import print_record
    from livefuse.config import make_config

    width, height = parse_resolution(resolution)
    identity = {"identity.photo": "synthetic:7", "identity.consent": "synthetic", "swap.model": swapper}
    source = {"source": f"synthetic:{width}x{height}@30"}
    config = make_config({}, o.settings(identity | source, setting))
    record = measure(config, width, height, frames)
    print_record(record)
    growth = record["memory"]["growth_bytes"] / 2**20
    typer.echo(f"median {record['median_fps']:.1f} fps; memory grew {growth:+.1f} MiB", err=True)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
