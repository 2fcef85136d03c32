"""`livefuse sessions identity|sink|preset|stats`: the parts of a running session."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli import options as o
from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, SessionName, connect, nested, tell
from livefuse.cli.sessions import path_of
from livefuse.cli.table import in_order
from livefuse.daemon.words import change_words
from livefuse.errors import SourceNotFound

if TYPE_CHECKING:
    from rich.console import Group

    from livefuse.client import Client

PresetName = Annotated[str, typer.Argument(metavar="PRESET", help="Lower-case letters, digits, - and _.")]

_WATCH_S = 1.0
_STAGE_COLUMNS = ("STAGE", "P50 MS", "P95 MS", "P99 MS")
_PHOTOS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def sessions_identity(
    name: SessionName,
    face: Annotated[
        str,
        typer.Argument(metavar="FACE", help="A photo of the daemon's machine, a stored identity, or synthetic:SEED."),
    ],
    consent: o.Consent = None,
    by: o.By = "",
    face_index: o.FaceIndex = None,
    store: Annotated[
        str,
        typer.Option("--store", metavar="PERSON", help="Send the photo, and have the daemon keep it under this name."),
    ] = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Put another face on while a session runs."""
    ground = "synthetic" if face.startswith("synthetic:") and consent is None else consent and consent.value
    o.require_consent(face, o.Ground(ground) if ground else None)
    said = {"photo": _absolute(face), "consent": ground, "by": by, "face": face_index}
    with connect(daemon) as client:
        if store:
            _send(client, store, Path(face).expanduser(), said)
            said = {"photo": store}
        came = client.put(
            path_of(name, "identity"), {key: value for key, value in said.items() if value not in ("", None)}
        )
    tell(came, as_json, f"{name}: {change_words(came)}")


def sink_add(
    name: SessionName,
    url: Annotated[str, typer.Argument(metavar="URL", help="rtmp://..., rtsp://..., srt://..., file:OUT.mp4, vcam:")],
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Hand a running session's pictures to one more output."""
    with connect(daemon) as client:
        made = client.post(path_of(name, "sinks"), {"url": url})
    waits = made["name"].isdigit()  # a session that does not run counts its sinks instead of naming them
    told = f"{name} does not run: {made['url']} opens when it starts" if waits else f"{name}: added {made['name']}"
    tell(made, as_json, told)


def sink_remove(
    name: SessionName,
    sink: Annotated[str, typer.Argument(metavar="SINK", help="As `livefuse sessions show NAME` names it.")],
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Complete and close one output of a running session."""
    with connect(daemon) as client:
        tell(client.delete(path_of(name, "sinks", sink)), as_json, f"{name}: removed {sink}")


def preset_list(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show the presets that the daemon keeps."""
    with connect(daemon) as client:
        found = client.get("/api/presets")
    if as_json:
        print_json(found)
    else:
        print_table(["NAME"], [[name] for name in found["presets"]])


def preset_save(
    preset: PresetName,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...", help="What the preset says.")],
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Keep settings under a name."""
    from livefuse.client import segment

    with connect(daemon) as client:
        tell(client.put(f"/api/presets/{segment(preset)}", nested(pairs)), as_json, f"kept {preset}")


def preset_apply(name: SessionName, preset: PresetName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Lay a preset over a running session."""
    with connect(daemon) as client:
        came = client.post(path_of(name, "preset", preset))
    tell(came, as_json, f"{name}: {change_words(came)}")


def sessions_stats(
    name: SessionName,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second, until Ctrl-C.")] = False,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Show what every stage costs, and what was dropped."""
    with connect(daemon) as client:
        if watch and not as_json and sys.stdout.isatty():
            _watch(client, name)
            return
        record = client.get(path_of(name, "stats"))
    if as_json:
        print_json(record)
        return
    print_table(_STAGE_COLUMNS, _stage_rows(record))
    typer.echo(_counters(name, record))


def _watch(client: Client, name: str) -> None:
    import time

    from rich.live import Live

    with Live(_view(name, client.get(path_of(name, "stats"))), auto_refresh=False) as live:
        while True:
            time.sleep(_WATCH_S)
            live.update(_view(name, client.get(path_of(name, "stats"))), refresh=True)


def _view(name: str, record: Mapping[str, Any]) -> Group:
    """What `--watch` draws again each second."""
    from rich.console import Group
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in _STAGE_COLUMNS:
        table.add_column(column, justify="left" if column == _STAGE_COLUMNS[0] else "right")
    for row in _stage_rows(record):
        table.add_row(*row)
    return Group(table, _counters(name, record))


def _stage_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """A row for each stage, then for the whole way."""
    ways = {"pipeline": record.get("pipeline_ms"), "capture to sink": record.get("latency_ms")}
    spreads = {**in_order(record.get("stages_ms", {})), **ways}
    return [[stage, *(f"{of[key]:.2f}" for key in ("p50", "p95", "p99"))] for stage, of in spreads.items() if of]


def _counters(name: str, record: Mapping[str, Any]) -> str:
    frames = record.get("frames")
    if not frames:
        return f"{name} is {record.get('state', 'not running')}: no frame yet"
    drops = ", ".join(f"{cause} {count}" for cause, count in frames["dropped"].items() if count) or "none"
    words = f"{frames['out']} frames at {record['fps']:.1f} fps, {frames['unswapped']} not swapped; dropped: {drops}"
    return f"{name} is {record.get('state', 'running')}: {words}"


def _send(client: Client, person: str, photo: Path, said: Mapping[str, Any]) -> None:
    """Have the daemon store a photo. Raises: SourceNotFound, and whatever the daemon finds wrong with it."""
    from livefuse.client import segment

    try:
        content = photo.read_bytes()
    except OSError as error:
        raise SourceNotFound(f"cannot read {photo}: {error.strerror}", hint="--store takes one photo") from error
    media_type = _PHOTOS.get(photo.suffix.lower(), "application/octet-stream")
    query = {key: str(said[key]) for key in ("consent", "by", "face") if said[key] not in ("", None)}
    client.send(f"/api/identities/{segment(person)}", content, media_type, **query)


def _absolute(face: str) -> str:
    """A photo as the daemon, which runs in another folder, finds it."""
    path = Path(face).expanduser()
    return str(path.absolute()) if path.exists() else face
