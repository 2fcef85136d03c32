"""Model files and the places they may come from."""

from __future__ import annotations

from collections.abc import Iterator

from livefuse.doctor.report import Finding
from livefuse.errors import RecipeInvalid
from livefuse.paths import Paths
from livefuse.weights.mirrors import in_folders, is_url, place_in
from livefuse.weights.recipe import Recipe
from livefuse.weights.stated import size_in_words
from livefuse.weights.store import ModelStore

REACH_TIMEOUT_S = 3.0
NEEDED = ("yunet_n", "openseeface_lm0")
"""What the default configuration runs on; every other model is fetched when something asks for it."""


def check_models(store: ModelStore | None = None) -> Iterator[Finding]:
    """Every known model; nothing is hashed here, `livefuse models verify` does that."""
    try:
        store = store or ModelStore.default()
    except RecipeInvalid as error:
        yield Finding("recipes", "missing", f"{error.message}; {error.hint}", f"ls '{Paths.default().recipes}'")
        return
    for model in store.list():
        name, pull = f"model {model.recipe.name}", f"livefuse models pull {model.recipe.name}"
        if model.status == "verified":
            yield Finding(name, "ok", f"verified: {model.path}")
        elif model.status == "unverified":
            yield Finding(name, "ok", f"unverified, unchanged since it was first seen: {model.path}")
        elif model.status == "present":
            yield Finding(name, "ok", f"present, checked at first use: {model.path}")
        elif model.status == "corrupt":
            yield Finding(name, "missing", f"{model.path} is not the file that its recipe states", pull)
        else:
            yield _absent(store, model.recipe, name, pull)


def _absent(store: ModelStore, recipe: Recipe, name: str, pull: str) -> Finding:
    local = in_folders(store.mirrors, recipe.file, recipe.bytes)
    if local:
        return Finding(name, "ok", f"copied at first use from {local[0]}")
    what = f"{recipe.description} ({size_in_words(recipe.bytes)})"
    if recipe.name in NEEDED:
        return Finding(name, "missing", what, pull)
    if not recipe.fetchable:
        return Finding(name, "ok", f"add your own: {recipe.description}; `livefuse models add FILE`")
    return Finding(name, "ok", f"not here, optional: {what}; `{pull}`")


def check_mirrors(store: ModelStore | None = None) -> Iterator[Finding]:
    """Folders can be read, servers answer."""
    store = store or ModelStore.default()
    if not store.mirrors:
        yield Finding("mirrors", "ok", "none set: models come from their public addresses")
    for mirror in store.mirrors:
        yield _url(mirror, store) if is_url(mirror) else _folder(mirror, store)


def _folder(mirror: str, store: ModelStore) -> Finding:
    name = f"mirror {mirror}"
    held = [r.file for r in store.recipes.values() if in_folders((mirror,), r.file, r.bytes)]
    if held:
        return Finding(name, "ok", f"holds {len(held)} of {len(store.recipes)} models")
    return Finding(name, "warn", "holds no model, is no folder or cannot be read", f"ls -l '{mirror}'")


def _url(mirror: str, store: ModelStore) -> Finding:
    import httpx

    name, recipe = f"mirror {mirror}", next(iter(store.recipes.values()))
    address = str(place_in(mirror, recipe.file))
    try:
        answer = httpx.head(address, timeout=REACH_TIMEOUT_S, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(name, "warn", f"cannot be reached: {error or type(error).__name__}", f"curl -I '{address}'")
    if answer.status_code != 200:
        return Finding(name, "warn", f"HTTP {answer.status_code} for {recipe.file}", f"curl -I '{address}'")
    return Finding(name, "ok", f"has {recipe.file}")
