"""`livefuse models`: which model files there are, fetched and verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.errors import BadValue, ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from livefuse.weights.store import ModelStore, StoredModel

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; see `livefuse models list`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_SMALL_KINDS = ("detector", "landmarker", "recogniser", "converter", "matte")
_UNVERIFIED = "its recipe has no sha256; recorded"
OWN = "add your own"
_COLOURS = {
    "verified": "green",
    "present": "cyan",
    "unverified": "yellow",
    "missing": "yellow",
    OWN: "dim",
    "corrupt": "bold red",
}


def models_list(as_json: AsJson = False) -> None:
    """Show every known model: what it is for, its size and licence, and whether it is here."""
    store = open_store()
    models = store.list()
    if as_json:
        print_json({"folder": str(store.folder), "models": [as_dict(model) for model in models]})
        return
    speed = _speeds()
    rows = [
        [m.recipe.name, m.recipe.kind, status_of(m), _size(m), speed(m), _licence(m), m.recipe.description]
        for m in models
    ]
    print_table(["NAME", "KIND", "STATUS", "SIZE", "MS HERE", "LICENCE", "WHAT"], rows, colours=_COLOURS)
    typer.echo(f"in {store.folder}", err=True)


def models_pull(
    names: Names = None,
    all_: Annotated[
        bool,
        typer.Option(
            "--all", help="Every model that finds and knows faces and is free for any use; others are large: name them."
        ),
    ] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept a non-commercial licence, once for this machine.")
    ] = False,
) -> None:
    """Fetch models, mirrors first; what broke off resumes. Prints the path of each."""
    store = open_store()
    if all_:
        small = [recipe for recipe in store.recipes.values() if recipe.fetchable and recipe.kind in _SMALL_KINDS]
        names = [recipe.name for recipe in small if accept_licence or not recipe.non_commercial]
    if not names:
        raise BadValue("no model named", hint="`livefuse models pull yunet_n openseeface_lm0`, or --all")
    for recipe in [store.recipe(name) for name in names]:  # a misspelt name fails before anything is fetched
        typer.echo(_pull(store, recipe.name, accept_licence))
        model = store.stored(recipe.name)
        if model.status == "unverified":
            typer.echo(f"{recipe.name} is unverified: {_UNVERIFIED} {model.recorded_sha256}", err=True)


def _pull(store: ModelStore, name: str, accept_licence: bool) -> Path:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(name, total=store.recipe(name).bytes)
        return store.pull(
            name,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
            accept_licence=accept_licence,
        )


def models_verify(names: Names = None, as_json: AsJson = False) -> None:
    """Hash model files and compare them with their recipes; without names, every file that is here."""
    store = open_store()
    chosen = (
        [store.recipe(n).name for n in names] if names else [m.recipe.name for m in store.list() if m.path.exists()]
    )
    statuses = {name: store.verify(name) for name in chosen}
    if as_json:
        print_json({"folder": str(store.folder), "models": dict(statuses)})
    else:
        print_table(["NAME", "STATUS"], [[n, s] for n, s in statuses.items()], colours=_COLOURS)
    corrupt = [name for name, status in statuses.items() if status == "corrupt"]
    missing = [name for name, status in statuses.items() if status == "missing"]
    if corrupt:
        hint = f"`livefuse models pull {' '.join(corrupt)}` replaces what is wrong"
        raise ModelCorrupt(f"not what the recipe states: {', '.join(corrupt)}", hint=hint)
    if missing:
        raise ModelMissing(f"not here: {', '.join(missing)}", hint=f"`livefuse models pull {' '.join(missing)}`")


def models_measure(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models; see `livefuse models list`.")],
    provider: Annotated[
        list[str] | None, typer.Option("--provider", help="Execution provider, preferred first; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast models run on this machine, and remember it. Where a file is not here, random weights in the same
    architecture run in its place."""
    from livefuse.bench.models import Options, measure_models
    from livefuse.config import RuntimeConfig
    from livefuse.daemon.speeds import Speeds, speed_of
    from livefuse.errors import JobFailed

    store, kept, found = open_store(), Speeds.default(), []
    runtime = RuntimeConfig(providers=tuple(provider)) if provider else RuntimeConfig()
    for row in measure_models(store, names, Options(runtime=runtime), lambda name: typer.echo(name, err=True)):
        if row.status != "ok":
            raise JobFailed(f"{row.name} could not be measured: {row.reason}", hint="`livefuse bench models` says more")
        found.append(speed_of(row, store))
        kept.keep(found[-1])
    if as_json:
        print_json({"speeds": [speed.model_dump(mode="json") for speed in found]})
        return
    rows = [
        [one.model, f"{one.median_ms:.2f}", f"{one.p95_ms:.2f}", one.provider, one.machine, one.weights]
        for one in found
    ]
    print_table(["NAME", "MS", "P95", "RUNS ON", "MACHINE", "WEIGHTS"], rows)


def _speeds() -> Callable[[StoredModel], str]:
    """What was measured here, by model; nothing where nobody has."""
    from livefuse.daemon.speeds import Speeds, speeds_of

    kept = Speeds.default().all()

    def told(model: StoredModel) -> str:
        best = speeds_of(model.recipe.name, model.recorded_sha256, kept) if kept else []
        return f"{best[0].median_ms:.1f}" if best else "-"

    return told


def open_store() -> ModelStore:
    from livefuse.weights.store import ModelStore

    return ModelStore.default()


def status_of(model: StoredModel) -> str:
    return OWN if model.status == "missing" and not model.recipe.fetchable else model.status


def _size(model: StoredModel) -> str:
    from livefuse.weights.stated import size_in_words

    here = model.recipe.bytes is None and model.status != "missing"
    return size_in_words(model.path.stat().st_size if here else model.recipe.bytes)


def _licence(model: StoredModel) -> str:
    licence = model.recipe.licence
    said = not model.recipe.non_commercial or "non-commercial" in licence
    return licence if said else f"{licence} (non-commercial)"


def as_dict(model: StoredModel) -> dict[str, Any]:
    fields = {
        "name",
        "aliases",
        "kind",
        "description",
        "file",
        "sha256",
        "bytes",
        "hash_from",
        "licence",
        "licence_url",
    }
    told = model.recipe.model_dump(mode="json", include=fields | {"non_commercial"})
    here = {"status": model.status, "path": str(model.path), "recorded_sha256": model.recorded_sha256}
    return told | here | {"fetchable": model.recipe.fetchable}
