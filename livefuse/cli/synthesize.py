"""`livefuse models synthesize`: a model's architecture with random weights, for benchmarks and tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.weights.synthesize import Precision


def models_synthesize(
    name: Annotated[str | None, typer.Argument(help="Architecture; --list shows all.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="The file to write.", show_default=False)] = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32 or fp16; otherwise what the real file has.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    tiny: Annotated[bool, typer.Option("--tiny", help="A sixteenth of the channels, the same contract.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Show what can be written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a model's architecture with seeded random weights: the contract, size and cost of the real one."""
    if list_:
        _list(as_json)
        return
    if name is None or out is None:
        missing = "no architecture named" if name is None else "no file named"
        raise BadValue(missing, hint="`livefuse models synthesize inswapper_128 --out FILE`, or --list")
    from livefuse.weights.synthesize import synthesize

    made = synthesize(name, out, precision=cast("Precision | None", precision), seed=seed, tiny=tiny)
    if as_json:
        print_json({"path": str(out), **vars(made)})
        return
    typer.echo(out)
    what = "stand-in: same contract and bytes, the architecture is not public" if made.stand_in else "random weights"
    counted = f"{made.parameters:,} parameters, {made.gmac:.2f} GMAC, {made.bytes:,} bytes"
    typer.echo(f"{made.name}: {counted} ({what})", err=True)


def _list(as_json: bool) -> None:
    from livefuse.weights.synthesize import ARCHITECTURES, build

    graphs = {name: build(name) for name in ARCHITECTURES}
    if as_json:
        rows = [
            {
                "name": name,
                "precision": graph.precision,
                "parameters": graph.parameters,
                "gmac": graph.macs / 1e9,
                "stand_in": ARCHITECTURES[name].stand_in,
            }
            for name, graph in graphs.items()
        ]
        print_json({"architectures": rows})
        return
    cells = [
        [
            name,
            graph.precision,
            f"{graph.parameters:,}",
            f"{graph.macs / 1e9:.2f}",
            "stand-in" if ARCHITECTURES[name].stand_in else "",
        ]
        for name, graph in graphs.items()
    ]
    print_table(["NAME", "PRECISION", "PARAMETERS", "GMAC", ""], cells)
