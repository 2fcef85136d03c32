"""What makes a recipe whole: rules that span several of its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livefuse.weights.recipe import Recipe


def broken_rule(recipe: Recipe) -> str:
    """The first rule that a recipe breaks, in words; empty where it keeps all of them."""
    return next((words for rule in _RULES if (words := rule(recipe))), "")


def _hash(recipe: Recipe) -> str:
    if recipe.sha256 and recipe.hash_from == "unknown":
        return '`hash_from` is "unknown", yet there is a `sha256`: say "file" or "second-hand"'
    if not recipe.sha256 and recipe.hash_from != "unknown":
        return 'without a `sha256`, `hash_from` must say "unknown": the hash is then recorded when the file is fetched'
    return ""


def _alignment(recipe: Recipe) -> str:
    aligned = recipe.kind in ("recogniser", "swapper", "enhancer", "expression")
    if aligned and (recipe.template is None or recipe.crop_px is None):
        return f"{_a(recipe.kind)} needs `template` and `crop_px`"
    if recipe.kind in ("matte", "occluder", "parser") and recipe.crop_px is None:
        return f"{_a(recipe.kind)} needs `crop_px`: the side of the picture that it takes"
    return ""


def _normalisation(recipe: Recipe) -> str:
    sees_no_picture = recipe.kind == "converter" or recipe.decode == "points_to_68"
    if recipe.kind == "expression":
        sees_no_picture = recipe.input("image") is None
    if recipe.normalisation is None and not sees_no_picture:
        return f"{_a(recipe.kind)} needs a table [normalisation]: what becomes of pixels 0..255"
    return ""


def _enlarging(recipe: Recipe) -> str:
    if recipe.kind == "upscaler" and recipe.scale is None:
        return "an upscaler needs `scale`: how many times larger its picture is"
    if recipe.kind != "upscaler" and (recipe.scale is not None or recipe.tile is not None):
        return f"`scale` and `tile` belong to an upscaler, not to {_a(recipe.kind)}"
    if recipe.tile is not None:
        side, padding, overlap = recipe.tile
        if padding < 0 or overlap < 0 or side <= 2 * overlap:
            return (
                f"`tile` = [{side}, {padding}, {overlap}]: the side must be more than twice the overlap, none below 0"
            )
    return ""


def _decoding(recipe: Recipe) -> str:
    if recipe.decode == "logits" and recipe.kind != "occluder":
        return f'decode = "logits" belongs to an occluder, not to {_a(recipe.kind)}'
    return ""


def _source(recipe: Recipe) -> str:
    source = recipe.source
    if recipe.kind not in ("swapper", "converter"):
        return ""
    if recipe.identity in ("embedding", "converted") and source.recogniser is None:
        return f'identity = "{recipe.identity}" needs `source.recogniser`'
    if (recipe.identity == "converted") != (source.converter is not None):
        return 'identity = "converted" and `source.converter` belong together'
    if recipe.identity == "image" and (source.template is None or source.crop_px is None):
        return 'identity = "image" needs `source.template` and `source.crop_px`'
    if recipe.identity != "embedding" and source.emap:
        return '`source.emap` belongs to identity = "embedding"'
    return ""


def _roles(recipe: Recipe) -> str:
    for tensors, what in ((recipe.inputs, "inputs"), (recipe.outputs, "outputs")):
        names, roles = [t.name for t in tensors], [str(t.role) for t in tensors if t.role]
        for given, key in ((names, "name"), (roles, "role")):
            twice = next((one for one in given if given.count(one) > 1), None)
            if twice:
                return f"two {what} have the {key} {twice!r}"
    return _own_roles(recipe)


def _own_roles(recipe: Recipe) -> str:
    kind = recipe.kind
    shows = kind in ("swapper", "enhancer", "upscaler")
    if shows and (recipe.input("image") is None or recipe.output("face") is None):
        return f'{_a(kind)} needs an input with role = "image" and an output with role = "face"'
    if kind in ("occluder", "parser") and (recipe.input("image") is None or recipe.output("mask") is None):
        return f'{_a(kind)} needs an input with role = "image" and an output with role = "mask"'
    if (shows or kind == "expression") and any(tensor.role is None for tensor in recipe.inputs):
        return f"{_a(kind)} needs the `role` of each input"
    if kind == "expression" and any(tensor.role is None for tensor in recipe.outputs):
        return "an expression model needs the `role` of each output"
    if kind != "swapper":
        return ""
    if recipe.identity != "none" and recipe.input("identity") is None:
        return 'a swapper that takes an identity needs an input with role = "identity"'
    return ""


def _a(kind: str) -> str:
    if kind == "expression":
        return "an expression model"
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


_RULES: tuple[Callable[[Recipe], str], ...] = (
    *(_hash, _alignment, _normalisation, _enlarging, _decoding, _source),
    _roles,
)
