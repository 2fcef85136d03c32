"""`livefuse serve`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli import options as o
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.config import Config
    from livefuse.daemon.daemon import Daemon
    from livefuse.daemon_config import DaemonConfig
    from livefuse.web.server import Serving


def serve(
    config: Annotated[
        Path | None, typer.Argument(help="TOML configuration (default: your livefuse.toml); flags win over it.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all, then viewing needs the token.")
    ] = "",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; the next free one if taken, 0 for any.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Serve HTTPS with a certificate of this machine's own; see `livefuse tls`.")
    ] = False,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in your browser.")] = False,
    source: o.Source = "",
    face: o.FacePhoto = "",
    consent: o.Consent = None,
    sink: o.Sinks = None,
    setting: o.Settings = None,
    token_file: Annotated[Path | None, typer.Option(help="Read the token from this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Say where it is as one line of JSON.")] = False,
) -> None:
    """Serve live sessions to browsers, OBS and other programs; Ctrl-C ends cleanly."""
    flags: dict[str, Any] = {
        "serve.host": host,
        "serve.port": port,
        "serve.tls": "auto" if tls else "",
        "serve.token": _token_in(token_file) if token_file else "",
        "source": source,
        "sinks": tuple(sink) if sink else None,
        "identity.photo": face,
        "identity.consent": consent.value if consent else None,
    }
    _run(config, {key: value for key, value in flags.items() if value not in (None, "")}, setting, open_page, json)


def serve_and_open() -> None:
    """What `livefuse` alone does on a terminal."""
    _run(None, {}, None, open_page=True, json=False)


def _run(config: Path | None, given: dict[str, Any], setting: list[str] | None, open_page: bool, json: bool) -> None:
    import asyncio
    import os

    from livefuse.cli.serve_reach import reach_of
    from livefuse.cli.serve_words import say
    from livefuse.daemon.remembered import Remembered
    from livefuse.daemon_config import daemon_environment, load_daemon_config
    from livefuse.paths import Paths
    from livefuse.web.server import serve as serve_until_stopped

    paths = Paths.default()
    overrides = daemon_environment(os.environ) | o.settings(given, setting)
    file = config or (paths.config_file if paths.config_file.is_file() else None)
    said = load_daemon_config(file, overrides)
    remembered = None if file else Remembered(paths, overrides)
    decoded = remembered.config() if remembered else said
    for (
        session
    ) in said.sessions.values():  # what is remembered keeps no daemon from starting: its page tells what is wrong
        _check_addresses(session)
        identity = session.identity
        o.require_consent(identity.photo, o.Ground(identity.consent) if identity.consent else None)
    asked = decoded.serve.port

    def announce(serving: Serving) -> None:
        say(serving, paths, asked_port=asked, json_line=json)
        if open_page:
            _open(f"{reach_of(serving).local or serving.listening.url}/#token={serving.daemon.token}")

    def make(config: DaemonConfig, **known: Any) -> Daemon:  # by now the port is open: whoever comes waits
        from livefuse.daemon.daemon import Daemon

        return Daemon(config, remembered=remembered, **known)

    asyncio.run(
        serve_until_stopped(decoded, file=file, overrides=overrides, paths=paths, announce=announce, make_daemon=make)
    )


def _check_addresses(config: Config) -> None:
    """What can only be misspelt is said now, not by a session that fails. Raises: BadValue, SinkUnwritable."""
    from livefuse.sinks.url import parse_sink_url
    from livefuse.source.url import parse

    parse(config.source)
    for url in config.sinks:
        if not url.startswith("webrtc:"):
            parse_sink_url(url)


def _open(url: str) -> None:
    """In a thread of its own: some browsers' launchers return when the browser ends."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(url,), daemon=True, name="browser").start()


def _token_in(file: Path) -> str:
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"--token-file {file}: it cannot be read", hint="check the path") from error
    if not token:
        raise BadValue(f"--token-file {file}: it is empty", hint="put the token into it, and nothing else")
    return token
