"""`livefuse identity`: people kept under names, each with the consent to use their face."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli import options as o
from livefuse.cli.listing import print_json, print_table
from livefuse.errors import BadValue, SinkUnwritable

if TYPE_CHECKING:
    from livefuse.swap.identity.store import IdentityStore
    from livefuse.swap.identity.stored import StoredIdentity, StoredShot

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name, or its id; see `livefuse identity list`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_COLOURS = {"used": "green", "best": "bold green", "another person": "bold red", "left out": "yellow"}


def identity_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call this person: plain words.")],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Photos, folders of photos, videos, or synthetic:SEED.")
    ],
    consent: o.Consent = None,
    by: o.By = "",
    face_index: o.FaceIndex = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of a stored identity of that name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store one person's face under a name, from photos, folders or videos, with the consent to use it."""
    from rich.console import Console

    from livefuse.config import IdentityConfig, make_config
    from livefuse.photos import photo_embedder, photo_finder

    config = make_config({}, o.settings({}, None))
    wanted = IdentityConfig(consent=consent.value if consent else None, by=by, face=face_index)
    store = _store()
    store.check(name, sources, wanted, replace=replace)  # before models are fetched and photos looked at
    with Console(stderr=True).status("looking at the photos"):
        find, embed = photo_finder(config), photo_embedder(config)
        stored = store.add(name, sources, wanted, find, embed, replace=replace)
    _tell(store, stored, as_json)
    if stored.outliers:
        typer.echo(_warning(stored), err=True)


def identity_list(as_json: AsJson = False) -> None:
    """Show the stored identities, and photos that were used without being stored under a name."""
    store = _store()
    stored, unnamed, damaged = store.list(), store.unnamed(), store.damaged()
    if as_json:
        loose = [
            {"id": one.id, "who": one.record.who, "ground": one.record.ground, "when": one.record.when}
            for one in unnamed
        ]
        told = [_as_dict(store, one) | {"problem": damaged.get(one.id, "")} for one in stored]
        print_json({"folder": str(store.folder), "identities": told, "unnamed": loose, "damaged": damaged})
        return
    rows = [[one.name, _count(one), one.ground, one.who, one.created[:10], one.id] for one in stored]
    rows += [["(no name)", "1", one.record.ground, one.record.who, one.record.when[:10], one.id] for one in unnamed]
    if rows:
        print_table(["NAME", "SHOTS", "GROUND", "WHO", "SINCE", "ID"], rows)
    for problem in damaged.values():
        typer.echo(f"not usable: {problem}", err=True)
    typer.echo(f"in {store.folder}" if rows else f"nothing stored in {store.folder}", err=True)


def identity_show(
    name: Name,
    as_json: AsJson = False,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", metavar="FILE.png", help="Draw its shots on one page.")
    ] = None,
) -> None:
    """Show an identity's shots, how good each is, which show somebody else, and its consent."""
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise BadValue(f"--sheet {sheet}: a contact sheet is a PNG", hint="--sheet contact.png")
    store = _store()
    stored = store.get(name)
    store.require_consent(stored)
    if sheet is not None:
        _write_sheet(store, stored, sheet)
    _tell(store, stored, as_json)


def identity_remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who wants it removed; your login name by default.")] = "",
) -> None:
    """Delete an identity's photos and all that was made of them; the log of consents keeps that there was one."""
    from livefuse.finding import running_daemons
    from livefuse.paths import Paths

    store = _store()
    found = store.find(name)
    if not yes:
        if not sys.stdin.isatty():
            raise BadValue(
                f"removing {found.title} cannot be undone", hint=f"`livefuse identity remove '{name}' --yes`"
            )
        if not typer.confirm(f"Delete the photos of {found.title}? This cannot be undone.", err=True):
            typer.echo("nothing was removed", err=True)
            raise typer.Exit(1)
    typer.echo(store.remove(found.id, by=by))
    typer.echo(f"{found.title} was removed; who consented and when stays in the log", err=True)
    if running_daemons(Paths.default().state):
        typer.echo("sessions that wear it take it off at once, and close privacy", err=True)


def _store() -> IdentityStore:
    from livefuse.swap.identity.store import IdentityStore

    return IdentityStore.default()


def _tell(store: IdentityStore, stored: StoredIdentity, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(store, stored))
        return
    typer.echo(f"{stored.name}: {_count(stored)} shot{'s' * (len(stored.shots) > 1)}, id {stored.id}")
    typer.echo(f"consent: {stored.ground}, said by {stored.who} on {stored.created}")
    rows = [[_verdict(stored, shot), shot.title, *_figures(shot)] for shot in stored.shots]
    rows += [["left out", one.source, "", "", "", "", one.reason] for one in stored.left_out]
    print_table(["", "SHOT", "FACE", "SHARP", "FRONT", "LIGHT", "WHY"], rows, colours=_COLOURS)


def _figures(shot: StoredShot) -> list[str]:
    q = shot.quality
    return [f"{q.face_px:.0f} px", f"{q.sharpness:.2f}", f"{q.frontal:.2f}", f"{q.light:.2f}", ""]


def _verdict(stored: StoredIdentity, shot: StoredShot) -> str:
    if shot == stored.best:
        return "best"
    return "another person" if shot.outlier else "used"


def _count(stored: StoredIdentity) -> str:
    used, total = len(stored.used), len(stored.shots)
    return str(total) if used == total else f"{used} of {total}"


def _warning(stored: StoredIdentity) -> str:
    titles = ", ".join(shot.title for shot in stored.outliers)
    if len(stored.outliers) == len(stored.shots):
        return f"these photos show different people, and none is the most; all are used: {titles}"
    return f"kept but not used, as another person than the other photos show: {titles}"


def _as_dict(store: IdentityStore, stored: StoredIdentity) -> dict[str, Any]:
    shots = [
        {
            "source": shot.source,
            "time_s": shot.time_s,
            "sha256": shot.sha256,
            "file": str(store.photo(stored, shot)),
            "quality": shot.quality.model_dump(),
            "used": shot in stored.used,
            "outlier": shot.outlier,
            "best": shot == stored.best,
        }
        for shot in stored.shots
    ]
    kept = stored.model_dump(mode="json", include={"name", "id", "created", "left_out"})
    said = {"who": stored.who, "when": stored.created, "ground": stored.ground}
    return kept | {"folder": str(store.folder / stored.id), "consent": said, "shots": shots}


def _write_sheet(store: IdentityStore, stored: StoredIdentity, path: Path) -> None:
    from livefuse.swap.identity.sheet import Marked, draw_sheet
    from livefuse.swap.identity.video import png_of

    marked = [Marked(store.shot(stored, shot), shot == stored.best, shot.outlier) for shot in stored.shots]
    try:
        path.write_bytes(png_of(draw_sheet(f"{stored.name}, {stored.ground}", marked)))
    except OSError as error:
        raise SinkUnwritable(f"cannot write {path}: {error.strerror}", hint="name a folder that exists") from error
    typer.echo(f"wrote {path}", err=True)
