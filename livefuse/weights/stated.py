"""What a model's file must be, who says so, and what to do when it is not that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from livefuse.errors import ModelCorrupt, ModelMissing
from livefuse.weights.recipe import Recipe
from livefuse.weights.record import read_record


class Stated(NamedTuple):
    """`by` reads before a hash or size; `otherwise` says how to go on with another file."""

    sha256: str
    by: str
    otherwise: str


def stated_of(recipe: Recipe, path: Path) -> Stated:
    """By the recipe; failing that, by what the file was when it was first seen. An empty sha256: nobody has said."""
    if recipe.hash_from == "file":
        otherwise = "set LIVEFUSE_MODEL_MIRROR to a folder or URL that has the right file"
        return Stated(recipe.sha256, "the recipe states", otherwise)
    record = None if recipe.sha256 else read_record(path)
    if record is not None:
        otherwise = f"if you know why it changed, `livefuse models remove {recipe.name}` forgets what it was"
        return Stated(record.sha256, "when it was first seen here it was", otherwise)
    otherwise = (
        "nobody of livefuse has seen the right file, the recipe repeats what others say: if you trust yours, "
        f"`livefuse models add FILE --family {recipe.name}` gives it a recipe of its own"
    )
    return Stated(recipe.sha256, "the recipe states, second-hand,", otherwise)


def missing(recipes: Sequence[Recipe], folder: Path) -> ModelMissing:
    """Several models that are not here, with the one command that gets them."""
    message = f"not in {folder}: {', '.join(recipe.file for recipe in recipes)}"
    own = next((recipe for recipe in recipes if not recipe.fetchable), None)
    if own is not None:
        hint = f"nobody serves {own.name}: add your own with `livefuse models add FILE --family {own.name}`"
        return ModelMissing(message, hint=hint)
    names, known_bytes = " ".join(recipe.name for recipe in recipes), sum(recipe.bytes or 0 for recipe in recipes)
    size = f" ({known_bytes / 1e6:.1f} MB)" if all(recipe.bytes for recipe in recipes) else ""
    return ModelMissing(message, hint=f"`livefuse models pull {names}`{size}")


def corrupt(recipe: Recipe, path: Path) -> ModelCorrupt:
    """The file that is here is not the model's."""
    stated, pull = stated_of(recipe, path), f"`livefuse models pull {recipe.name}` replaces it"
    if recipe.hash_from == "file":
        hint = pull if recipe.fetchable else f"`livefuse models remove {recipe.name}`, then add it again"
        return ModelCorrupt(f"{path} is not the file that the recipe {recipe.name} states", hint=hint)
    size = f"{recipe.bytes:,} bytes" if recipe.bytes else ""
    wanted = ", ".join(part for part in (size, stated.sha256 and f"sha256 {stated.sha256}") if part)
    return ModelCorrupt(f"{path} is another file: {stated.by} {wanted}", hint=f"{pull}; {stated.otherwise}")


def size_in_words(size_bytes: int | None) -> str:
    return "size unknown" if size_bytes is None else f"{size_bytes / 1e6:.1f} MB"
