"""`livefuse ps`: what runs in the daemon of this machine, on one screen."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, connect

if TYPE_CHECKING:
    from rich.table import Table

    from livefuse.client import Client

_COLUMNS = ("SESSION", "STATE", "SOURCE", "FACE", "FPS", "P95 MS", "RUNS ON", "MEMORY", "VIEWERS", "SINKS")
_COLOURS = {
    "running": "green", "idle": "dim", "paused": "yellow", "private": "bold magenta", "starting": "cyan",
    "stopped": "dim", "ended": "yellow", "failed": "bold red",
}  # fmt: skip
_HOLDS = {"pause": "paused", "panic": "private"}
_WATCH_S = 1.0
_MIB = 2**20


def ps(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second, until Ctrl-C.")] = False,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Show what runs: sessions, what they do, on what, for whom, and in how much memory."""
    with connect(daemon) as client:
        if watch and not as_json and sys.stdout.isatty():
            _watch(client)
            return
        told = _asked(client)
    if as_json:
        print_json(told)
        return
    print_table(_COLUMNS, _rows(told), colours=_COLOURS)
    for line in _below(told):
        typer.echo(line, err=True)


def state_of(session: Mapping[str, Any]) -> str:
    """One word: what somebody who looks at it would call it."""
    state = str(session["state"])
    if state in ("running", "starting") and (held := _HOLDS.get(session.get("hold", ""))):
        return held
    return "idle" if state == "running" and session.get("idle") else state


def _asked(client: Client) -> dict[str, Any]:
    """Sessions, each with its networks, and what the daemon as a whole takes."""
    sessions = client.get("/api/sessions")["sessions"]
    engines = client.get("/api/engines")
    networks = {one["session"]: one.get("networks", []) for one in engines["sessions"]}
    for session in sessions:
        session["networks"] = networks.get(session["name"], [])
    told = {key: engines[key] for key in ("runtime", "rss_bytes") if key in engines}
    return {"url": client.url, "sessions": sessions, **told}


def _rows(told: Mapping[str, Any]) -> list[list[str]]:
    return [_row(session) for session in told["sessions"]]


def _row(session: Mapping[str, Any]) -> list[str]:
    state = state_of(session)
    works = state == "running"  # what rests has no figures: 0.0 ms would be the best of all
    fps, p95 = session["fps"], session["latency_ms"]["p95"]
    return [
        session["name"],
        state,
        session["source"] or "-",
        session["identity"] or "-",
        f"{fps:.1f}" if works else "-",
        f"{p95:.1f}" if works else "-",
        _runs_on(session["networks"]),
        _mib(sum(one["bytes"] for one in session["networks"])),
        str(session["viewers"]),
        ", ".join(session["sinks"]) or "-",
    ]


def _runs_on(networks: Sequence[Mapping[str, Any]]) -> str:
    """Execution providers, the one with the most networks first."""
    counted = Counter(one["provider"].removesuffix("ExecutionProvider").lower() or "?" for one in networks)
    return ", ".join(name for name, _ in counted.most_common()) or "-"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _MIB:.0f} MiB" if size_bytes else "-"


def _below(told: Mapping[str, Any]) -> list[str]:
    """The daemon as a whole, and what keeps sessions from running."""
    memory = f", {_mib(told['rss_bytes'])} in all" if told.get("rss_bytes") else ""
    lines = [f"{told['url']}{memory}" + (f", {told['runtime']}" if told.get("runtime") else "")]
    failed = [session for session in told["sessions"] if session["error"]]
    return lines + [f"{one['name']}: {one['error']['code']} {one['error']['message']}" for one in failed]


def _watch(client: Client) -> None:
    import time

    from rich.live import Live

    with Live(_view(_asked(client)), auto_refresh=False) as live:
        while True:
            time.sleep(_WATCH_S)
            live.update(_view(_asked(client)), refresh=True)


def _view(told: Mapping[str, Any]) -> Table:
    """What `--watch` draws again each second."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None, header_style="bold", pad_edge=False, caption="\n".join(_below(told)), caption_justify="left"
    )
    for column in _COLUMNS:
        table.add_column(column)
    for row in _rows(told):
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    return table
