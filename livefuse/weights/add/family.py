"""Which family a file belongs to: by its bytes if they are known, else by its structure and its number of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from livefuse.errors import BadValue, ModelError
from livefuse.weights.add.fit import Misfit, fitted
from livefuse.weights.add.inspection import Inspection, in_words
from livefuse.weights.recipe import Recipe, Tensor, pick_recipe

SAME, ALIKE = math.log(1.04), math.log(1.6)
"""How far the number of weights may be from a recipe's: exporters fold some away; beyond that it is another depth."""
_AS_NEAR = 0.01
"""Families that are this much further off than the nearest are as near."""


@dataclass(frozen=True, slots=True)
class Match:
    """A recipe that a file fits, and why it was chosen; tensors have the file's names."""

    recipe: Recipe
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    reason: str


def recognise(found: Inspection, recipes: Mapping[str, Recipe], *, family: str = "") -> Match:
    """Raises: ModelError where no family fits or several do, BadValue where the family that was named does not fit."""
    if family:
        return _named(found, pick_recipe(family, dict(recipes)))
    for recipe in recipes.values():
        if recipe.sha256 == found.sha256:
            return Match(recipe, recipe.inputs, recipe.outputs, "its sha256 is the recipe's")
    fitting = [match for recipe in recipes.values() if (match := _fit(found, recipe))]
    if not fitting:
        raise ModelError(_unknown(found), hint="if you know what it is, name the recipe it is like: --family NAME")
    fitting = _most_explained(fitting)
    sized = [match for match in fitting if match.recipe.bytes == found.size_bytes]
    if len(sized) == 1:
        return _because(sized[0], "its structure and its size in bytes are the recipe's")
    return _settled(found, _nearest(found, sized or fitting))


def _named(found: Inspection, recipe: Recipe) -> Match:
    try:
        inputs, outputs = fitted(found, recipe)
    except Misfit as misfit:
        raise BadValue(f"{found.path.name} is no {recipe.name}: {misfit}", hint="leave out --family") from misfit
    return Match(recipe, inputs, outputs, "you said so, and its inputs and outputs fit")


def _fit(found: Inspection, recipe: Recipe) -> Match | None:
    try:
        return Match(recipe, *fitted(found, recipe), "its inputs and outputs are the recipe's")
    except Misfit:
        return None


def _most_explained(matches: list[Match]) -> list[Match]:
    """A network with heat maps beside its points is none that has points alone. Swappers stay: some exports of theirs
    have a mask that others lack."""
    if any(match.recipe.kind == "swapper" for match in matches):
        return matches
    most = max(len(match.outputs) for match in matches)
    return [match for match in matches if len(match.outputs) == most]


def _nearest(found: Inspection, matches: list[Match]) -> list[Match]:
    """Those that are as near as any in their number of weights. Families of which that is not known stay in, unless
    another has just that number."""
    measured = [(match, _distance(found, match.recipe)) for match in matches]
    same = [(match, distance) for match, distance in measured if distance is not None and distance < SAME]
    if same:
        least = min(distance for _, distance in same)
        return [match for match, distance in same if distance <= least + _AS_NEAR]
    near = [(match, distance) for match, distance in measured if distance is None or distance < ALIKE] or measured
    known = [distance for _, distance in near if distance is not None]
    if len(known) < len(near) or len({_contract(match.recipe) for match, _ in near}) > 1:
        return [match for match, _ in near]
    return [match for match, distance in near if distance == min(known)]  # the same network in several depths


def _distance(found: Inspection, recipe: Recipe) -> float | None:
    if recipe.parameters:
        return abs(math.log(max(1, found.parameters) / recipe.parameters))
    if recipe.bytes:  # the graph itself is kilobytes
        return abs(math.log(found.size_bytes / recipe.bytes))
    return None


def _settled(found: Inspection, matches: list[Match]) -> Match:
    """The one match, or the one that the precision or the file's name picks. Raises: ModelError."""
    if len(matches) == 1:
        return _because(matches[0], _structure(found, matches[0].recipe))
    precise = [match for match in matches if _precision(match.recipe) == found.precision]
    if len(precise) == 1 and len({match.recipe.synthesis for match in matches}) == 1:
        return _because(precise[0], f"{_structure(found, precise[0].recipe)}, in {found.precision}")
    stem = found.path.stem.lower()
    called = [match for match in matches if stem in names_of(match.recipe)]
    if len(called) == 1:
        return _because(called[0], "several families fit, and the file's name says which")
    names = [match.recipe.name for match in matches]
    raise ModelError(
        f"{found.path.name} may be {', '.join(names[:-1])} or {names[-1]}: by their structure they are the same",
        hint=f"say which: --family {names[0]}",
    )


def _structure(found: Inspection, recipe: Recipe) -> str:
    weights, known = f"{found.parameters / 1e6:.2f} M weights", recipe.parameters
    if known is None:
        return "its inputs and outputs are the family's"
    if abs(math.log(max(1, found.parameters) / known)) < ALIKE:
        return f"its inputs, outputs and {weights} are the family's"
    return f"its inputs and outputs are the family's, with {weights} instead of {known / 1e6:.2f} M"


def names_of(recipe: Recipe) -> set[str]:
    """What a file of this recipe may be called, without its ending."""
    return {name.lower() for name in (recipe.name, *recipe.aliases, PurePath(recipe.file).stem)}


def _precision(recipe: Recipe) -> str:
    if not recipe.bytes or not recipe.parameters:
        return ""
    return "float16" if recipe.bytes / recipe.parameters < 3 else "float32"


def _contract(recipe: Recipe) -> str:
    """Everything about running the model that is not its depth, weights or place of origin."""
    told = recipe.model_dump(
        include={"kind", "layout", "normalisation", "decode", "template", "crop_px", "identity", "source", "result"}
    )
    return repr(told)


def _because(match: Match, reason: str) -> Match:
    return Match(match.recipe, match.inputs, match.outputs, reason)


def _unknown(found: Inspection) -> str:
    def listed(values: Iterable[tuple[str, tuple[int | str, ...], str]]) -> str:
        return ", ".join(f"{name} {in_words(shape)} {dtype}" for name, shape, dtype in values)

    return f"{found.path.name} is of no known family: {listed(found.inputs)} -> {listed(found.outputs)}"
