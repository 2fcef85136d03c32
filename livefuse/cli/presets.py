"""`livefuse presets`: looks kept under names, laid over sessions of a running daemon, passed on as files."""

from __future__ import annotations

import enum
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, connect, tell
from livefuse.cli.sessions import path_of
from livefuse.daemon.words import change_words
from livefuse.errors import BadValue, SinkUnwritable, SourceNotFound

if TYPE_CHECKING:
    from livefuse.client import Client

PresetName = Annotated[str, typer.Argument(metavar="PRESET", help="A preset; see `livefuse presets list`.")]
Session = Annotated[
    str, typer.Option("--session", metavar="NAME", help="Which session; the only one there is, or `live`, by default.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a preset of that name.")]


class Format(enum.StrEnum):
    """How a preset is written into a file."""

    TOML = "toml"
    JSON = "json"


class Part(enum.StrEnum):
    """What a preset takes of a session."""

    LOOK = "look"
    FACES = "faces"
    IDENTITY = "identity"
    SOURCE = "source"
    OUTPUTS = "outputs"
    PRIVACY = "privacy"


def presets_list(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show the presets that the daemon keeps: their keys, and what is special about each."""
    with connect(daemon) as client:
        found = client.get("/api/presets")
    if as_json:
        print_json(found)
        return
    rows = [
        [
            str(card["number"] or ""),
            card["name"],
            ", ".join(card["parts"]),
            card["problem"] or _notable(card["notable"]),
        ]
        for card in found["cards"]
    ]
    print_table(["KEY", "NAME", "PARTS", "WHAT"], rows)


def presets_show(
    preset: PresetName, against: Annotated[str, typer.Option("--against", metavar="SESSION", help="Show what applying it there would change instead.")] = "",
    daemon: Daemon = "", as_json: AsJson = False,
) -> None:  # fmt: skip
    """Show what a preset says, or with --against what it would change."""
    with connect(daemon) as client:
        if against:
            _show_changes(client.get(path_of(against, "preset", preset)), as_json)
            return
        found = client.get(_path(preset)) if as_json else client.get(_path(preset, "export"))
    if as_json:
        print_json(found)
    else:
        typer.echo(found.rstrip())


def presets_apply(preset: PresetName, session: Session = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Lay a preset over a session while it runs."""
    with connect(daemon) as client:
        name = _session(client, session)
        came = client.post(path_of(name, "preset", preset))
    tell(came, as_json, f"{name}: {change_words(came)}; `livefuse presets undo` takes it back")


def presets_undo(session: Session = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Take the last change of a session back, by a preset or otherwise."""
    with connect(daemon) as client:
        name = _session(client, session)
        came = client.post(path_of(name, "undo"))
    tell(came, as_json, f"{name}: taken back: {came['what'] or ', '.join(came['keys'])}")


def presets_save(
    preset: PresetName,
    parts: Annotated[
        list[Part] | None, typer.Option("--part", help="What it takes; repeatable. The look without.")
    ] = None,
    overwrite: Overwrite = False,
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Keep what a session runs on under a name."""
    with connect(daemon) as client:
        taken = [part.value for part in parts or [Part.LOOK]]
        body = {"session": _session(client, session), "parts": taken, "overwrite": overwrite}
        tell(client.post(_path(preset, "save"), body), as_json, f"kept {preset}: {', '.join(taken)}")


def presets_export(
    preset: PresetName,
    out: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Standard output without.")] = None,
    written: Annotated[Format | None, typer.Option("--format", help="As FILE ends, else TOML.")] = None,
    daemon: Daemon = "",
) -> None:
    """Write a preset into a file to keep or to pass on."""
    import json

    wanted = written or (Format.JSON if out is not None and out.suffix.lower() == ".json" else Format.TOML)
    with connect(daemon) as client:
        came = client.get(_path(preset, "export"), format=wanted.value)
    text = came if isinstance(came, str) else json.dumps(came, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text.rstrip())
        return
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise SinkUnwritable(f"cannot write {out}: {error.strerror}", hint="name another file") from error


def presets_import(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML or JSON; - reads standard input.")],
    name: Annotated[
        str, typer.Option("--name", help="What to call it; otherwise the file says, or its name does.")
    ] = "",
    overwrite: Overwrite = False,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Take in a preset that somebody passed on. Unknown keys and passwords are refused."""
    text = _read(file)
    with connect(daemon) as client:
        try:
            kept = client.post("/api/presets/import", {"text": text, "name": name, "overwrite": overwrite})
        except BadValue:
            if name or str(file) == "-" or _says_its_name(text):
                raise
            kept = client.post("/api/presets/import", {"text": text, "name": file.stem, "overwrite": overwrite})
    tell(kept, as_json, f"kept {kept['name']}")


def presets_remove(preset: PresetName, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Forget a preset."""
    with connect(daemon) as client:
        tell(client.delete(_path(preset)), as_json, f"{preset} is gone")


def _path(preset: str, *more: str) -> str:
    from livefuse.client import segment

    return "/".join(["/api/presets", segment(preset), *more])


def _session(client: Client, name: str) -> str:
    """The session that is meant. Raises: BadValue where that is not clear."""
    if name:
        return name
    names = [session["name"] for session in client.get("/api/sessions")["sessions"]]
    if len(names) == 1 or "live" in names:
        return "live" if "live" in names else str(names[0])
    raise BadValue(
        f"{len(names)} sessions run there", hint=f"say which: --session {names[0]}" if names else "create one"
    )


def _show_changes(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    changes: Sequence[Mapping[str, Any]] = told["changes"]
    rows = [
        [one["key"], _words(one["before"]), _words(one["after"]), "yes" if one["restart"] else ""] for one in changes
    ]
    print_table(["KEY", "NOW", "THEN", "RESTARTS"], rows)


def _notable(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={_words(value)}" for key, value in settings.items())


def _words(value: Any) -> str:
    if value in (None, "", []):
        return "-"
    return ", ".join(map(_words, value)) if isinstance(value, list) else str(value)


def _read(file: Path) -> str:
    """Raises: SourceNotFound, BadValue."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        raise SourceNotFound(f"cannot read {file}: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise BadValue(f"{file} is no text", hint="a preset is a TOML or JSON file in UTF-8") from error


def _says_its_name(text: str) -> bool:
    """Then the file's own name is no better."""
    from livefuse.daemon.preset_text import read_preset

    return bool(read_preset(text)[0])
