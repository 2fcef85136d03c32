"""What `livefuse serve` says when it answers: where everything is, and what to mind."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from livefuse import __version__
from livefuse.cli.serve_reach import reach_of, stranger_lines
from livefuse.daemon.token import TOKEN_VARIABLE, token_file
from livefuse.paths import Paths
from livefuse.web.security import is_loopback

if TYPE_CHECKING:
    from livefuse.web.server import Serving


def say(serving: Serving, paths: Paths, *, asked_port: int, json_line: bool) -> None:
    """Addresses on standard output, warnings on standard error."""
    for warning in warnings(serving, asked_port):
        typer.echo(f"livefuse: {warning}", err=True)
    if json_line:
        typer.echo(json.dumps(_told(serving, paths)))
    else:
        typer.echo("\n".join(lines(serving, paths, secret=sys.stdout.isatty())))
    sys.stdout.flush()


def lines(serving: Serving, paths: Paths, *, secret: bool) -> list[str]:
    """The block that people read. The token itself is for a terminal only: what is not one is kept, as a journal is."""
    url = serving.listening.url
    token = f"#token={serving.daemon.token}" if secret else ""
    said = [f"livefuse {__version__} serves at {url}", "", f"  page     {url}/{token}"]
    ways = reach_of(serving)
    if ways.network and ways.network != url:
        said.append(f"  network  {ways.network}/{token}")
    obs, watching = ways.local or url, "" if _watching_is_free(serving) else token
    for name in serving.daemon.config.sessions:
        said += [
            "",
            f"  {name}",
            f"    watch    {url}/{name}{watching}",
            f"    OBS      {obs}/{name}?clean=1{watching}   browser source",
            f"    publish  {url}/{name}/publish{token}",
            f"    WHEP     {url}/{name}/whep",
            f"    WHIP     {url}/{name}/whip   bearer token: the token",
        ]
    said += stranger_lines(serving, secret=secret)
    return [*said, "", f"  API      {url}/docs", f"  token    {_kept(serving, paths)}", "", "Ctrl-C ends it."]


def warnings(serving: Serving, asked_port: int) -> list[str]:
    """What to mind: another port than asked, and what listening to a network means."""
    said, where = [], serving.listening
    if asked_port and where.port != asked_port:
        said.append(f"port {asked_port} is taken; {where.port} is used")
    said += _left_out(serving)
    if is_loopback(where.host):
        return said
    if serving.daemon.config.serve.view == "open":
        said.append("anybody who reaches this machine may watch: serve.view is open")
    else:
        said.append("other machines can reach this: watching needs the token too")
    if serving.tls is None:
        said.append("it is not encrypted: browsers give a camera only to HTTPS pages or localhost, so add --tls")
    return said


def _watching_is_free(serving: Serving) -> bool:
    view = serving.daemon.config.serve.view
    return view == "open" or (view == "auto" and is_loopback(serving.listening.host))


def _left_out(serving: Serving) -> list[str]:
    left = serving.tls.left_out if serving.tls is not None else None
    if left is None or not (left.hosts or left.addresses):
        return []
    return [f"the authority of this machine may not vouch for {left}: `livefuse tls renew` makes one that may"]


def _told(serving: Serving, paths: Paths) -> dict[str, Any]:
    url = serving.listening.url
    sessions = {
        name: {"player": f"{url}/{name}", "whep": f"{url}/{name}/whep", "whip": f"{url}/{name}/whip"}
        for name in serving.daemon.config.sessions
    }
    return {
        "url": url,
        "token": serving.daemon.token,
        "token_from": _kept(serving, paths),
        "network": reach_of(serving).network,
        "fingerprint": serving.tls.fingerprint if serving.tls is not None else "",
        "pid": os.getpid(),
        "version": __version__,
        "docs": f"{url}/docs",
        "sessions": sessions,
    }


def _kept(serving: Serving, paths: Paths) -> str:
    if serving.daemon.config.serve.token:
        return "of the configuration (serve.token)"
    return f"of {TOKEN_VARIABLE}" if os.environ.get(TOKEN_VARIABLE) else f"kept in {token_file(paths)}"
