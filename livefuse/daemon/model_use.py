"""Which models the sessions use, and by which setting a session is told to use one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from livefuse.config import Config
from livefuse.errors import ModelMissing
from livefuse.weights.recipe import Kind, Recipe

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.weights.store import ModelStore

_NO_MODEL = ("", "none", "known", "mesh", "auto", "estimate")
_SETTINGS: Mapping[Kind, str] = {
    "detector": "detect.model",
    "landmarker": "align.model",
    "swapper": "swap.model",
    "enhancer": "enhance.model",
    "upscaler": "output.upscale",
    "expression": "expression.model",
    "matte": "mask.matte",
    "occluder": "mask.occlusion",
    "parser": "mask.parser",
}


def setting_of(recipe: Recipe) -> str:
    """The key that puts a model to use; empty for what others bring along."""
    part = recipe.kind == "expression" and not recipe.partners
    return "" if part else _SETTINGS.get(recipe.kind, "")


def needs_of(recipe: Recipe) -> tuple[str, ...]:
    """The other models that it cannot do without."""
    source = recipe.source
    return (*recipe.partners, *(name for name in (source.recogniser, source.converter) if name))


def models_of(config: Config) -> dict[str, str]:
    """The networks that a configuration asks for, by setting."""
    if config.backend == "null":
        return {}
    named = {
        "detect.model": config.detect.model,
        "align.model": config.align.model,
        "swap.model": config.swap.model,
        "enhance.model": config.enhance.model,
        "expression.model": config.expression.model,
        "mask.matte": config.mask.matte,
        "mask.parser": config.mask.parser if config.mask.regions else "",
        "output.upscale": config.output.upscale,
    }
    named |= {f"mask.occlusion.{number}": name for number, name in enumerate(config.mask.occlusion)}
    return {key: name for key, name in named.items() if name not in _NO_MODEL}


def users(channels: Iterable[Channel], store: ModelStore) -> dict[str, list[str]]:
    """The sessions that run each model, by the recipe's own name: what they ask for, and what that needs. What a session has
    loaded and no longer asks for is free: it goes on without the file."""
    found: dict[str, list[str]] = {}
    for channel in channels:
        if channel.state not in ("running", "starting"):
            continue
        for name in sorted(_all_of(channel.config, store)):
            found.setdefault(name, []).append(channel.name)
    return found


def _all_of(config: Config, store: ModelStore) -> set[str]:
    asked = {recipe.name: recipe for recipe in (_known(store, name) for name in models_of(config).values()) if recipe}
    return {*asked, *(name for recipe in asked.values() for name in needs_of(recipe))}


def _known(store: ModelStore, name: str) -> Recipe | None:
    try:
        return store.recipe(name)
    except ModelMissing:  # the session says so itself
        return None
