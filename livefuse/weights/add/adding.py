"""From a file somewhere to a model that has a name: inspected, recognised, tried, copied, with a recipe of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livefuse.errors import BadValue, EngineFailed, LicenceNotAccepted, LivefuseError, ModelCorrupt
from livefuse.weights.add.family import Match, recognise
from livefuse.weights.add.inspection import Inspection, inspect
from livefuse.weights.add.trial import Trial, tried
from livefuse.weights.add.writing import derived, name_for, write_recipe
from livefuse.weights.emap import emap_beside
from livefuse.weights.recipe import Recipe, builtin_recipes
from livefuse.weights.store import USABLE, ModelStore

Told = Callable[["Inspection | Match | Trial"], None]


@dataclass(frozen=True, slots=True)
class Added:
    """What came of a file. `recipe_path` is None where a recipe that was already there names these very bytes."""

    recipe: Recipe
    path: Path
    recipe_path: Path | None
    found: Inspection
    match: Match
    trial: Trial | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.recipe.name,
            "family": self.match.recipe.name,
            "reason": self.match.reason,
            "kind": self.recipe.kind,
            "path": str(self.path),
            "recipe": str(self.recipe_path) if self.recipe_path else None,
            "found": self.found.as_dict(),
            "self_test": self.trial.as_dict() if self.trial else None,
        }


def add_model(
    store: ModelStore,
    recipes_folder: Path,
    file: Path,
    *,
    name: str = "",
    family: str = "",
    accept_licence: bool = False,
    untested: bool = False,
    tell: Told = lambda _: None,
) -> Added:
    """Add a user's own model. On failure nothing stays; `tell` hears of each step as it is done.

    Raises: ModelMissing, ModelCorrupt, ModelError where the family is not clear, BadValue, LicenceNotAccepted,
    EngineFailed, StoreUnwritable.
    """
    found = inspect(file)
    tell(found)
    match = recognise(found, _families(store), family=family)
    tell(match)
    recipe = _recipe(store, found, match, name)
    _check_licence(store, recipe, file, accept_licence)
    trial = None
    if not untested:
        trial = _tried(found, recipe)
        tell(trial)
    return _stored(store, recipes_folder, found, match, recipe, trial)


def _families(store: ModelStore) -> dict[str, Recipe]:
    """Every recipe but those that came of adding; a built-in one that such a recipe hides counts all the same."""
    return builtin_recipes() | {name: recipe for name, recipe in store.recipes.items() if recipe.family is None}


def _recipe(store: ModelStore, found: Inspection, match: Match, name: str) -> Recipe:
    """The recipe under which the file will be kept. Raises: BadValue where its name or file name is taken."""
    if match.recipe.sha256 == found.sha256 and name in ("", match.recipe.name):
        return match.recipe
    recipe = derived(found, match, name or name_for(found, match))
    held = store.recipes.get(recipe.name)
    if held is not None and held.sha256 != recipe.sha256 and (held.family or store.status(held.name) in USABLE):
        hint = f"--name gives this one another, or `livefuse models remove {held.name}` first"
        raise BadValue(f"{recipe.name} is here already, with other bytes", hint=hint)
    clash = next((r.name for r in store.recipes.values() if r.file == recipe.file and r.name != recipe.name), None)
    if clash:
        raise BadValue(f"{recipe.file} is the file of {clash}", hint="--name gives this one another")
    return recipe


def _check_licence(store: ModelStore, recipe: Recipe, file: Path, accept: bool) -> None:
    if store.needs_acceptance(recipe) and not accept:
        raise LicenceNotAccepted(
            f"{recipe.name} is for non-commercial use only ({recipe.licence}, {recipe.licence_url})",
            hint=f"`livefuse models add '{file}' --accept-licence` if that is your use",
        )


def _tried(found: Inspection, recipe: Recipe) -> Trial:
    """Raises: EngineFailed, ModelCorrupt."""
    hint = "another export of it may run; --untested keeps this one all the same"
    try:
        trial = tried(found.path, recipe, found.precision)
    except EngineFailed as error:
        raise EngineFailed(error.message, hint=hint) from error
    if trial.fault:
        raise ModelCorrupt(f"{found.path.name} failed its self-test: {trial.fault}", hint=hint)
    return trial


def _stored(
    store: ModelStore, folder: Path, found: Inspection, match: Match, recipe: Recipe, trial: Trial | None
) -> Added:
    before = store.recipes.get(recipe.name)
    was_here = before == recipe and store.status(recipe.name) in USABLE
    recipe_path = None
    try:
        path = store.add(recipe, found.path, accept_licence=True)
        if recipe.source.emap:
            emap_beside(path)
        if recipe.family is not None:
            recipe_path = write_recipe(recipe, folder, found.path.name)
    except LivefuseError:
        if not was_here:
            _undo(store, recipe, before)
        raise
    return Added(recipe, path, recipe_path, found, match, trial)


def _undo(store: ModelStore, recipe: Recipe, before: Recipe | None) -> None:
    with suppress(LivefuseError):  # the first failure is the one to tell
        store.remove(recipe.name)
    if before is None:
        del store.recipes[recipe.name]
    else:
        store.recipes[recipe.name] = before
