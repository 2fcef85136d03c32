"""The record of a run as a table on standard error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_ORDER = (
    *("capture", "queue", "upload", "look", "overlap", "follow", "detect", "align"),
    *("lane", "swap", "composite", "download", "wait", "sink"),
)


def print_record(record: dict[str, Any]) -> None:
    """Stages in the order a frame meets them, the total, and one line of counters."""
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table(title=None, header_style="bold")
    table.add_column("stage")
    for name in ("p50", "p95", "p99"):
        table.add_column(f"{name} ms", justify="right")
    for stage, spread in in_order(record["stages_ms"]).items():
        _row(table, stage, spread)
    table.add_section()
    _row(table, "pipeline", record["pipeline_ms"])
    _row(table, "capture to sink", record["latency_ms"])
    console.print(table)
    console.print(_counters(record), highlight=False)


def in_order(stages: Mapping[str, Any]) -> dict[str, Any]:
    """Stages as a frame meets them; those that nobody placed come last."""
    return {
        stage: stages[stage] for stage in [*(s for s in _ORDER if s in stages), *(s for s in stages if s not in _ORDER)]
    }


def _row(table: Table, name: str, spread: dict[str, float]) -> None:
    table.add_row(name, *(f"{spread[p]:.2f}" for p in ("p50", "p95", "p99")))


def _counters(record: dict[str, Any]) -> str:
    frames = record["frames"]
    drops = ", ".join(f"{cause} {count}" for cause, count in frames["dropped"].items() if count) or "none"
    return (
        f"{frames['out']} frames at {record['fps']:.1f} fps, {frames['unswapped']} not swapped; "
        f"dropped: {drops}; memory {record['memory']['rss_bytes'] / 2**20:.0f} MiB"
    )
