"""`livefuse obs`: sound and picture of OBS Studio in step."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, connect
from livefuse.cli.sessions import path_of
from livefuse.errors import BadValue, DaemonUnreachable, ObsFailed, SessionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from livefuse.client import Client
    from livefuse.obs.client import Obs
    from livefuse.obs.sync import Delay

PASSWORD_VARIABLE = "OBS_PASSWORD"
_LOOK_S = 2.0
_AGAIN_S = 5.0
_CHANGED_MS = 10

ObsUrl = Annotated[str, typer.Option("--url", help="OBS's WebSocket server.")]
PasswordFile = Annotated[
    Path | None, typer.Option(help=f"Read OBS's password from this file; else {PASSWORD_VARIABLE}.")
]
Input = Annotated[str, typer.Option("--input", metavar="NAME", help="One audio input; all microphones by default.")]
Session = Annotated[str, typer.Option("--session", metavar="NAME", help="Whose latency.")]
ViaWay = Annotated[
    Literal["auto", "browser", "camera"],
    typer.Option("--via", help="How OBS gets the picture; auto: browser if somebody watches over WebRTC."),
]
_URL = "ws://127.0.0.1:4455"


def obs_sync(
    url: ObsUrl = _URL,
    password_file: PasswordFile = None,
    input_name: Input = "",
    session: Session = "live",
    via: ViaWay = "auto",
    add: Annotated[float, typer.Option("--add", metavar="MS", help="More, for what your camera takes itself.")] = 0.0,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it when it changes by more than 10 ms.")] = False,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Have OBS's microphones wait for the picture: the measured latency becomes their sync offset."""
    password, began = _password(password_file), False
    with connect(daemon) as client:
        while True:
            try:
                with _obs(url, password) as obs:
                    written = _sync(client, obs, input_name, session, via, add, None, as_json)
                    began = True
                    while watch:
                        time.sleep(_LOOK_S)
                        written = _sync(client, obs, input_name, session, via, add, written, as_json)
                return
            except (ObsFailed, SessionError, DaemonUnreachable) as error:
                if not began:
                    raise
                typer.echo(f"livefuse: {error.message}; trying again", err=True)
                time.sleep(_AGAIN_S)


def obs_status(
    url: ObsUrl = _URL,
    password_file: PasswordFile = None,
    input_name: Input = "",
    session: Session = "live",
    via: ViaWay = "auto",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Show OBS's microphones with their offsets, and the one that this session's picture wants."""
    from livefuse.obs.sync import microphones

    with connect(daemon) as client, _obs(url, _password(password_file)) as obs:
        version, now = obs.ask("GetVersion"), microphones(obs, input_name)
        delay, why = _delay_or_why(client, session, via)
    wanted = delay.offset_ms if delay else None
    if as_json:
        told = {"obs": version.get("obsVersion", ""), "websocket": version.get("obsWebSocketVersion", "")}
        print_json(told | {"inputs": now, "wanted_ms": wanted, "delay": _parts(delay) if delay else None})
        return
    print_table(["INPUT", "OFFSET MS", "WANTED MS"], [[k, f"{v:.0f}", str(wanted or "-")] for k, v in now.items()])
    typer.echo(f"OBS {version.get('obsVersion', '?')} at {url}; {_words(delay) if delay else why}", err=True)


def _sync(
    client: Client,
    obs: Obs,
    name: str,
    session: str,
    via: Any,
    add: float,
    before: Mapping[str, int] | None,
    as_json: bool,
) -> Mapping[str, int]:
    """Offsets that hold now. `before`: what was written last; smaller changes than 10 ms are left."""
    from livefuse.obs.sync import LEAST_MS, MOST_MS, delay_of, microphones, write_offsets

    delay = delay_of(client.get(path_of(session, "stats")), via)
    wanted = max(LEAST_MS, min(MOST_MS, delay.offset_ms + round(add)))
    now = microphones(obs, name)
    if (
        before is not None
        and before.keys() == now.keys()
        and all(abs(wanted - one) <= _CHANGED_MS for one in before.values())
    ):
        return before
    write_offsets(obs, now, wanted)
    written = dict.fromkeys(now, wanted)
    if as_json:
        print_json(
            {"offset_ms": wanted, "inputs": list(now), "before_ms": now, "delay": _parts(delay), "added_ms": add}
        )
    else:
        more = f" + {add:g} ms of your own" if add else ""
        typer.echo(f"{', '.join(now)}: {wanted} ms ({_words(delay)}{more})", err=True)
    return written


def _delay_or_why(client: Client, session: str, via: Any) -> tuple[Delay | None, str]:
    from livefuse.obs.sync import delay_of

    try:
        return delay_of(client.get(path_of(session, "stats")), via), ""
    except SessionError as error:
        return None, error.message


def _parts(delay: Delay) -> dict[str, Any]:
    figures = {"measured_ms": delay.measured, "network_ms": delay.network, "shown_ms": delay.shown}
    return {"via": delay.via} | {name: round(value, 1) for name, value in figures.items()}


def _words(delay: Delay) -> str:
    network = f" + network {delay.network:.0f}" if delay.network else ""
    return f"by {delay.via}: measured {delay.measured:.0f}{network} + shown {delay.shown:.0f} ms"


def _obs(url: str, password: str) -> Obs:
    from livefuse.obs.client import Obs

    return Obs(url, password)


def _password(file: Path | None) -> str:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE, "")
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"--password-file {file}: it cannot be read", hint="check the path") from error
