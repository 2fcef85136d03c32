"""What commands that talk to a running daemon share, and `livefuse health`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json
from livefuse.errors import BadValue, DaemonError

if TYPE_CHECKING:
    from livefuse.client import Client

Daemon = Annotated[
    str,
    typer.Option(
        "--daemon",
        metavar="URL",
        help="Which daemon: http://HOST:PORT; LIVEFUSE_DAEMON, or the one that runs here, by default. "
        "LIVEFUSE_TOKEN holds another machine's token.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SessionName = Annotated[str, typer.Argument(metavar="NAME", help="A session; see `livefuse sessions list`.")]


def connect(url: str) -> Client:
    """The daemon that a command means. Raises: DaemonUnreachable, BadValue."""
    from livefuse.client import Client

    return Client.find(url)


def nested(pairs: list[str] | None) -> dict[str, Any]:
    """`KEY=VALUE` words as nested mappings: `privacy.mode=open` -> `{"privacy": {"mode": "open"}}`.

    Values are read as TOML where they can be. Raises: BadValue, and UnknownKey with the nearest key that there is.
    """
    from livefuse.config import make_config, toml_value

    tree: dict[str, Any] = {}
    for pair in pairs or []:
        key, found, value = pair.partition("=")
        path = key.strip().split(".")
        if not found or not all(path):
            raise BadValue(f"{pair!r} sets nothing", hint="write it as section.key=value, e.g. detect.size=640")
        _put(tree, path, toml_value(value.strip()))
    make_config(tree)
    return tree


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            raise BadValue(f"{'.'.join(path)} is set, and {part} too", hint="say only one of them")
        tree = below
    tree[path[-1]] = value


def tell(result: Mapping[str, Any], as_json: bool, words: str) -> None:
    """What a change came to: an object on standard output, or words beside it."""
    if as_json:
        print_json(result)
    else:
        typer.echo(words, err=True)


def health(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Ask a running daemon whether it is well; exit code 1 if not. What containers and services check."""
    with connect(daemon) as client:
        told = client.get("/healthz")
        ready = _ready(client)
    if as_json:
        print_json({"url": client.url, "healthy": True, "ready": ready} | (told if isinstance(told, dict) else {}))
    else:
        typer.echo(
            f"{client.url} is well" + ("" if ready else ", but not every session runs: `livefuse sessions list`")
        )


def _ready(client: Client) -> bool:
    try:
        client.get("/readyz")
    except DaemonError:
        return False
    return True
