"""`livefuse ctl`: what is done in the middle of a stream, one short command each. For hotkeys, Stream Decks and scripts.

Panic, pause and resume import no HTTP library, and without further options not even this module (`quick`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.remote import AsJson, Daemon, connect, tell
from livefuse.daemon.words import change_words
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.client import Client


class Switch(StrEnum):
    on = "on"
    off = "off"


Everywhere = Annotated[str, typer.Option("--session", "-s", metavar="NAME", help="One session; all by default.")]
Session = Annotated[
    str, typer.Option("--session", "-s", metavar="NAME", help="A session; the only one, or `live`, by default.")
]


def panic(session: Everywhere = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show everybody a private slate, at once, and let nothing be heard. `livefuse ctl resume` ends it."""
    _hold("panic", session, daemon, as_json)


def pause(session: Everywhere = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show everybody the pause slate; the camera stays open and the models loaded."""
    _hold("pause", session, daemon, as_json)


def resume(session: Everywhere = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show pictures again, after a panic or a pause."""
    _hold("resume", session, daemon, as_json)


def identity(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A stored identity, `next`, `previous` or synthetic:SEED.")
    ],
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Put a stored face on."""
    if name in ("next", "previous"):
        _step(name, session, daemon, as_json)
        return
    body = {"photo": name} | ({"consent": "synthetic"} if name.startswith("synthetic:") else {})
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        came = client.put(_path(chosen, "identity"), body)
    tell(came, as_json, f"{chosen}: {name}, {change_words(came)}")


def following(session: Session = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Put on the next of the stored faces, by name."""
    _step("next", session, daemon, as_json)


def previous(session: Session = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Put on the one before, by name."""
    _step("previous", session, daemon, as_json)


def preset(
    name: Annotated[str, typer.Argument(metavar="PRESET", help="See `livefuse sessions preset list`.")],
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Lay a preset over a session."""
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        came = client.post(_path(chosen, "preset", name))
    tell(came, as_json, f"{chosen}: {name}, {change_words(came)}")


def overlay(
    switch: Annotated[Switch, typer.Argument(help="on or off")],
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Show or hide the latency overlay."""
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        came = client.put(_path(chosen, "overlay"), {"enabled": switch is Switch.on})
    tell(came, as_json, f"{chosen}: overlay {switch.value}")


def sink_add(
    url: Annotated[str, typer.Argument(metavar="URL", help="rtmp://..., srt://..., file:OUT.mp4, vcam:")],
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Send the pictures to one more place: start a recording, a stream, the virtual camera."""
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        made = client.post(_path(chosen, "sinks"), {"url": _absolute(url)})
    tell(made, as_json, f"{chosen}: added {made['name']}")


def sink_remove(
    name: Annotated[str, typer.Argument(metavar="SINK", help="As `livefuse ps` names it.")],
    session: Session = "",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Complete and close one of them."""
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        tell(client.delete(_path(chosen, "sinks", name)), as_json, f"{chosen}: removed {name}")


def _hold(what: str, session: str, daemon: str, as_json: bool) -> None:
    from livefuse.cli import quick

    told = quick.hold(what, session, daemon)
    tell(told, as_json, "\n".join(quick.lines(told, session)))


def _step(which: str, session: str, daemon: str, as_json: bool) -> None:
    with connect(daemon) as client:
        chosen = _chosen(client, session)
        came: Mapping[str, Any] = client.post(_path(chosen, "identity", which))
    tell(came, as_json, f"{chosen}: {came['identity']}, {change_words(came)}")


def _chosen(client: Client, session: str) -> str:
    """The session that is meant. Raises: BadValue where that is not clear."""
    if session:
        return session
    names: list[str] = client.get("/api")["sessions"]
    if len(names) == 1 or "live" in names:
        return "live" if "live" in names else names[0]
    if not names:
        raise BadValue("the daemon has no session", hint="`livefuse sessions create NAME` makes one")
    raise BadValue(f"which session? {', '.join(names)}", hint=f"say it: --session {names[0]}")


def _path(session: str, *parts: str) -> str:
    from livefuse.finding import segment

    return "/".join(["/api/sessions", segment(session), *(segment(part) for part in parts)])


def _absolute(url: str) -> str:
    """A file of this folder, as the daemon, which runs in another, has to name it."""
    scheme, colon, address = url.partition(":")
    if scheme == "file" and colon and not address.startswith("//"):
        return f"file:{Path(address).expanduser().absolute()}"
    drive = sys.platform == "win32" and len(scheme) == 1
    return url if colon and not drive else str(Path(url).expanduser().absolute())
