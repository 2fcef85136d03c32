"""`livefuse bench`: measures on this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, cast

import typer

from livefuse.cli import options as o
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from livefuse.bench.models import Row
    from livefuse.weights.synthesize import Precision


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


def models(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; all recipes without.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Most runs of each model after its warm-up.")] = 20,
    tiny: Annotated[bool, typer.Option("--tiny", help="Models of few channels: does each load and run?")] = False,
    precision: Annotated[
        str | None, typer.Option(help="Synthesize every model in fp32 or fp16; each in its own without.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, max=256, help="Threads of one model; 0 as in a session.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output.")] = False,
) -> None:
    """Every model on this machine: its real file where the store has it, else one of the same architecture with random
    weights, made for the moment. Exits with 1 if a model fails."""
    from livefuse.bench.models import Options, measure_models
    from livefuse.cli.listing import print_json
    from livefuse.environment import environment
    from livefuse.weights.store import ModelStore

    if precision not in (None, "fp32", "fp16"):
        raise BadValue(f"--precision {precision}", hint="fp32 or fp16")
    options = Options(runs, tiny, cast("Precision | None", precision), threads)
    found = measure_models(ModelStore.default(), names or (), options, lambda name: typer.echo(name, err=True))
    rows = list(found)
    if as_json:
        asked = {"runs": runs, "tiny": tiny, "precision": precision, "threads": threads}
        print_json({"environment": environment(), "options": asked, "models": [row.as_dict() for row in rows]})
    else:
        _print_models(rows)
    if any(row.status == "failed" for row in rows):
        raise typer.Exit(1)


def _print_models(rows: Sequence[Row]) -> None:
    from livefuse.cli.listing import print_table

    columns = ["MODEL", "KIND", "STATUS", "WEIGHTS", "PARAMETERS", "GFLOP", "MS", "P95", "GFLOP/S", "NOTE"]
    print_table(columns, [_cells(row) for row in rows], colours={"ok": "green", "failed": "bold red"})


def _cells(row: Row) -> list[str]:
    times = [f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}"] if row.runs else ["", ""]
    parameters = f"{row.parameters / 1e6:.2f} M" if row.parameters else ""
    gflop, speed = (f"{value:.3g}" if value else "" for value in (row.gflop, row.gflop_per_s))
    return [row.name, row.kind, row.status, row.weights, parameters, gflop, *times, speed, row.reason]
