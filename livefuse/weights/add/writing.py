"""The recipe that a user's own file gets: its family's, with what is the file's own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from livefuse.errors import StoreUnwritable
from livefuse.weights.add.family import Match, names_of
from livefuse.weights.add.inspection import Inspection
from livefuse.weights.recipe import Recipe, Tensor, read_recipe

_FIRST = (
    *("name", "aliases", "kind", "description", "file", "urls", "sha256", "bytes", "hash_from"),
    *("licence", "licence_url", "non_commercial", "layout", "decode", "template", "crop_px", "identity"),
)
_SAME_DEPTH = 0.05


def name_for(found: Inspection, match: Match) -> str:
    """The family's name for a file that is called like it, or has its size; otherwise the file's own."""
    stem = found.path.stem
    if stem.lower() in names_of(match.recipe) or found.size_bytes == match.recipe.bytes:
        return match.recipe.name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-") or match.recipe.name


def derived(found: Inspection, match: Match, name: str) -> Recipe:
    """The recipe of one file. Raises: RecipeInvalid."""
    family = match.recipe
    told = family.model_dump(exclude={"urls", "aliases", "inputs", "outputs", "gmac", "parameters"}, exclude_none=True)
    own: dict[str, Any] = {
        "name": name,
        "aliases": family.aliases if name == family.name else (),  # it hides the family's recipe: all names lead to it
        "family": family.name,
        "file": family.file if name == family.name else name + Path(family.file).suffix,
        "bytes": found.size_bytes,
        "sha256": found.sha256,
        "hash_from": "file",
        "inputs": [tensor.model_dump(exclude_none=True) for tensor in match.inputs],
        "outputs": [tensor.model_dump(exclude_none=True) for tensor in match.outputs],
        "parameters": found.parameters or None,
        "crop_px": _side_px(match.inputs, family) or family.crop_px,
    }
    if family.gmac and family.parameters and abs(found.parameters / family.parameters - 1) < _SAME_DEPTH:
        own["gmac"] = family.gmac
    return Recipe.model_validate(told | own)


def write_recipe(recipe: Recipe, folder: Path, source: str, *, by: str = "livefuse models add") -> Path:
    """Into the folder of the user's recipes, in one step, read back before it gets its name.

    Raises: StoreUnwritable, RecipeInvalid.
    """
    path = folder / f"{recipe.name}.toml"
    fresh = folder / f".{os.getpid()}" / path.name
    try:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_text(as_toml(recipe, f"Written by `{by}` for {source}; yours to change."), "utf-8")
            read_recipe(fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
            fresh.parent.rmdir()
    except OSError as error:
        raise StoreUnwritable(
            f"{path} cannot be written: {error.strerror or error}", hint="make the folder of recipes writable"
        ) from error
    return path


def forget_recipe(recipe: Recipe, folder: Path) -> Path | None:
    """Delete the recipe that `livefuse models add` wrote for a file; where it was, or None for any other recipe."""
    own = folder / f"{recipe.name}.toml"
    if recipe.family is None or not own.exists():
        return None
    own.unlink()
    return own


def as_toml(recipe: Recipe, comment: str) -> str:
    """A recipe file, in the order in which the built-in ones are written."""
    told = recipe.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    tables = ("normalisation", "source", "result")
    plain = [key for key in (*_FIRST, *told) if key in told and key not in (*tables, "inputs", "outputs")]
    lines = [f"# {' '.join(comment.split())}"]
    lines += [f"{key} = {_value(told[key])}" for key in dict.fromkeys(plain)]
    for key in tables:
        if key in told:
            lines += _table(key, told[key])
    for key in ("inputs", "outputs"):
        for tensor in told[key]:
            lines += ["", f"[[{key}]]", *(f"{name} = {_value(value)}" for name, value in tensor.items())]
    return "\n".join(lines) + "\n"


def _table(name: str, table: dict[str, Any]) -> list[str]:
    lines = ["", f"[{name}]"]
    lines += [f"{key} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(f"{name}.{key}", value)
    return lines


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    # A JSON string is a TOML one, but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _side_px(inputs: tuple[Tensor, ...], family: Recipe) -> int | None:
    """The crop's side, where the image input states it and the family is cropped at all."""
    image = next((t for t in inputs if t.role == "image"), inputs[0])
    if family.crop_px is None or len(image.shape) != 4:
        return None
    height, width = image.shape[2:] if family.layout == "nchw" else image.shape[1:3]
    return height if isinstance(height, int) and height == width else None
