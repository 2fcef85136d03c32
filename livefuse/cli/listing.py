"""Results on standard output: a table for people, one JSON object for programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer

_WIDE = 10_000  # into a pipe a row stays one line, whatever the terminal's width would have been


def print_json(result: Mapping[str, Any]) -> None:
    """One object, as `--json` promises."""
    typer.echo(json.dumps(result, indent=2, ensure_ascii=False))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Mapping[str, str] | None = None
) -> None:
    """Rows under their headings; a cell found in `colours` gets that rich style on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=(colours or {}).get(cell, "")) for cell in row))
    if sys.stdout.isatty():
        Console(file=sys.stdout, highlight=False).print(table)
        return
    console = Console(file=io.StringIO(), highlight=False, width=_WIDE)
    with console.capture() as drawn:
        console.print(table)
    typer.echo("\n".join(line.rstrip() for line in drawn.get().splitlines()))  # without the padding of the last column
