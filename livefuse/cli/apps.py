"""`livefuse apps` and `livefuse pair`: who else may use a daemon, answered and asked from the command line."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, connect, tell
from livefuse.errors import BadValue, NotAllowed, NotHere

if TYPE_CHECKING:
    from livefuse.client import Client

LOOK_S = 1.0
_SCOPES = ("view", "control", "identities")

Which = Annotated[str, typer.Argument(metavar="[APP]", help="Its name, id or code; may be left out if only one asks.")]
Paired = Annotated[str, typer.Argument(metavar="APP", help="Its name or id; see `livefuse apps list`.")]
Scopes = Annotated[str, typer.Option("--scopes", metavar="SCOPES", help="Of view, control, identities; with commas.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask: you have compared the codes already.")]


def apps_list(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show the apps that have access, and those that ask for it."""
    with connect(daemon) as client:
        found = client.get("/api/apps")
    if as_json:
        print_json(found)
        return
    rows = [
        [app["name"], app["id"], ", ".join(app["scopes"]), app["last_used"] or "never", ""] for app in found["apps"]
    ]
    rows += [[app["name"], app["id"], ", ".join(app["scopes"]), "asks", app["code"]] for app in found["pending"]]
    print_table(["NAME", "ID", "MAY", "LAST USED", "CODE"], rows, colours={"asks": "yellow"})
    if found["problem"]:
        typer.echo(found["problem"], err=True)


def apps_allow(
    which: Which = "", scopes: Scopes = "", yes: Yes = False, daemon: Daemon = "", as_json: AsJson = False
) -> None:
    """Give an app that asks a token of its own."""
    from livefuse.client import segment

    wanted = scopes_in(scopes) if scopes else None
    with connect(daemon) as client:
        app = _asking(client, which)
        if not yes:
            _compare(app, wanted or app["scopes"])
        body = {"scopes": wanted} if wanted else {}
        told = client.post(f"/api/pair/{segment(app['id'])}/allow", body)
    tell(told, as_json, f"{app['name']} has access: {', '.join(told['scopes'])}")


def apps_deny(which: Which = "", daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Let an app that asks have nothing."""
    from livefuse.client import segment

    with connect(daemon) as client:
        app = _asking(client, which)
        told = client.post(f"/api/pair/{segment(app['id'])}/deny")
    tell(told, as_json, f"{app['name']} was denied")


def apps_revoke(which: Paired, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Take an app's token back; what it has open ends within a second."""
    from livefuse.client import segment

    with connect(daemon) as client:
        app = _one(client.get("/api/apps")["apps"], which, ("name", "id"), "has access")
        client.delete(f"/api/apps/{segment(app['id'])}")
    tell({"id": app["id"], "name": app["name"], "state": "revoked"}, as_json, f"{app['name']} no longer has access")


def pair(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the owner reads.")],
    scopes: Scopes = "view,control",
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Ask a daemon's owner for a token of its own, wait for the answer, and print the token on standard output."""
    with connect(daemon) as client:
        asked = client.post("/api/pair", {"name": name, "scopes": scopes_in(scopes)})
        typer.echo(
            f"code {asked['code']}: allow it on the page of {client.url} if that shows the same one, "
            "or there with `livefuse apps allow`",
            err=True,
        )
        told = _answered(client, asked)
    if as_json:
        print_json({"name": told["name"], "scopes": told["scopes"], "token": told["token"]})
    else:
        typer.echo(told["token"])


def scopes_in(text: str) -> list[str]:
    """`view,control` as a list. Raises: BadValue for what is no scope."""
    said = [word.strip() for word in text.split(",") if word.strip()]
    wrong = [word for word in said if word not in _SCOPES]
    if wrong or not said:
        what = f"`{wrong[0]}` is no scope" if wrong else "no scope is named"
        raise BadValue(what, hint="--scopes takes some of " + ",".join(_SCOPES))
    return said


def _answered(client: Client, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises: NotAllowed when the answer is no, or none came."""
    from livefuse.client import segment

    while True:
        told: Mapping[str, Any] = client.call("GET", f"/api/pair/{segment(asked['id'])}", token=asked["secret"])
        if told.get("token"):
            return told
        if told["state"] == "denied":
            raise NotAllowed("the owner said no", hint="ask whoever runs the daemon")
        if told["state"] != "pending":
            raise NotAllowed(f"nobody answered in time: {told['state']}", hint="ask again while somebody is there")
        time.sleep(LOOK_S)


def _compare(app: Mapping[str, Any], scopes: Sequence[str]) -> None:
    """Raises: NotAllowed when the codes differ."""
    where = "this machine" if app["here"] else app["address"]
    typer.echo(f"{app['name']}, from {where}, wants: {', '.join(scopes)}", err=True)
    if not typer.confirm(f"Does it show the code {app['code']}?", err=True):
        raise NotAllowed("the codes differ, so nothing was allowed", hint="`livefuse apps deny` tells it no")


def _asking(client: Client, which: str) -> Mapping[str, Any]:
    pending = client.get("/api/apps")["pending"]
    if not which and len(pending) == 1:
        only: Mapping[str, Any] = pending[0]
        return only
    return _one(pending, which, ("name", "id", "code"), "asks")


def _one(apps: Sequence[Mapping[str, Any]], which: str, keys: Sequence[str], what: str) -> Mapping[str, Any]:
    """Raises: NotHere, BadValue when several are called so."""
    found = [app for app in apps if which and which in (app[key] for key in keys)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{app['name']} ({app['id']})" for app in apps) or "none"
    if found or (not which and apps):
        raise BadValue(f"several apps could be meant: {known}", hint="name one by its id")
    raise NotHere(f"no app{f' {which!r}' if which else ''} {what}", hint=f"those there are: {known}")
