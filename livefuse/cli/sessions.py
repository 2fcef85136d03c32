"""`livefuse sessions`: what runs in a daemon, seen and changed from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, SessionName, connect, nested, tell
from livefuse.daemon.words import change_words, reload_words

Pairs = Annotated[
    list[str], typer.Argument(metavar="KEY=VALUE...", help="Configuration keys, e.g. enhance.model=gfpgan_1.4.")
]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="Lower-case letters, digits, - and _.")]
Preset = Annotated[str, typer.Option("--preset", help="Begin with a preset; see `livefuse sessions preset list`.")]

_COLOURS = {"running": "green", "starting": "cyan", "stopped": "dim", "ended": "yellow", "failed": "bold red"}
_COLUMNS = ("NAME", "STATE", "SOURCE", "FPS", "P50 MS", "P95 MS", "VIEWERS", "SINKS")


def path_of(name: str, *parts: str) -> str:
    """A session's address in the API."""
    from livefuse.client import segment

    return "/".join(["/api/sessions", segment(name), *(segment(part) for part in parts)])


def sessions_list(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show the sessions of a running daemon."""
    with connect(daemon) as client:
        found = client.get("/api/sessions")
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, [_row(session) for session in found["sessions"]], colours=_COLOURS)
    for session in found["sessions"]:
        if session["error"]:
            typer.echo(f"{session['name']}: {_told(session['error'])}", err=True)


def sessions_show(name: SessionName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show one session: what it does now, and the configuration it runs on."""
    with connect(daemon) as client:
        found = client.get(path_of(name))
    if as_json:
        print_json(found)
        return
    rows = [[key, _words(value)] for key, value in _flat(found)]
    print_table(["KEY", "VALUE"], rows)


def sessions_create(
    name: NewName,
    config: Annotated[Path | None, typer.Argument(help="TOML file that says what it does.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set any configuration key; repeatable.")
    ] = None,
    preset: Preset = "",
    start: Annotated[bool, typer.Option("--start/--no-start", help="Have it begin at once.")] = True,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Add a session to a running daemon."""
    from livefuse.config import read_toml
    from livefuse.daemon_config import laid_over

    tree = laid_over(read_toml(config) if config else {}, nested(setting))
    with connect(daemon) as client:
        made = client.post("/api/sessions", {"name": name, "config": tree, "preset": preset, "start": start})
        tell(made, as_json, f"{client.url}/{name} is where to watch it")


def sessions_set(name: SessionName, pairs: Pairs, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Change settings of a session while it runs."""
    with connect(daemon) as client:
        came = client.patch(path_of(name), nested(pairs))
    tell(came, as_json, f"{name}: {change_words(came)}")


def sessions_start(name: SessionName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Have a session run."""
    _do(name, "start", daemon, as_json)


def sessions_stop(name: SessionName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """End a session; its outputs are completed, and its viewers see a slate."""
    _do(name, "stop", daemon, as_json)


def sessions_restart(name: SessionName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Begin a session anew; its viewers stay."""
    _do(name, "restart", daemon, as_json)


def sessions_remove(name: SessionName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """End a session and forget it; its viewers are sent away."""
    with connect(daemon) as client:
        tell(client.delete(path_of(name)), as_json, f"{name} is gone")


def sessions_source(
    name: SessionName,
    url: Annotated[str, typer.Argument(metavar="URL", help="camera:0, webrtc:, rtsp://..., a file, synthetic:...")],
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Give a session another source."""
    with connect(daemon) as client:
        came = client.put(path_of(name, "source"), {"url": url})
    tell(came, as_json, f"{name}: {change_words(came)}")


def sessions_reload(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Have the daemon read its configuration file again."""
    with connect(daemon) as client:
        came = client.post("/api/config/reload")
    tell(came, as_json, "\n".join(reload_words(came)))


def _do(name: str, what: str, daemon: str, as_json: bool) -> None:
    with connect(daemon) as client:
        session = client.post(path_of(name, what))
    tell(session, as_json, f"{name} is {session['state']}")


def _row(session: Mapping[str, Any]) -> list[str]:
    latency = session["latency_ms"]
    runs = session["state"] == "running"  # what does not run has no figures: 0.0 ms would be the best of all
    figures = [f"{value:.1f}" if runs else "-" for value in (session["fps"], latency["p50"], latency["p95"])]
    sinks = ", ".join(session["sinks"]) or "-"
    return [session["name"], session["state"], session["source"], *figures, str(session["viewers"]), sinks]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((f"{prefix}{key}", value))
    return rows


def _words(value: Any) -> str:
    if value in (None, "", [], {}):
        return "-"
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _told(error: Mapping[str, str]) -> str:
    return f"{error['code']} {error['message']}" + (f"\n  Try:  {error['hint']}" if error["hint"] else "")
