"""Finds a recipe's inputs and outputs in a file whose exporter called them something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from livefuse.errors import RecipeInvalid
from livefuse.weights.recipe import Recipe, Tensor

Shape = tuple[int | str, ...]


def bound(recipe: Recipe, inputs: Mapping[str, Sequence[int | str]], outputs: Sequence[str]) -> Recipe:
    """The recipe with the file's own names. `inputs` are the file's names and shapes, `outputs` its names in order.

    A name that the file has stays; `#0` is the first; what is left over goes by its shape (inputs) or place (outputs).
    Raises: RecipeInvalid where that does not settle it.
    """
    bound_inputs = _inputs(recipe, {name: tuple(shape) for name, shape in inputs.items()})
    return recipe.model_copy(update={"inputs": bound_inputs, "outputs": _outputs(recipe, list(outputs))})


def fits(stated: Sequence[int | str], found: Sequence[int | str]) -> bool:
    """Whether two shapes may be the same one: a free axis is any size, and a batch of one may be free or fixed."""
    return len(stated) == len(found) and all(
        isinstance(a, str) or isinstance(b, str) or a == b for a, b in zip(stated, found, strict=True)
    )


def _inputs(recipe: Recipe, found: dict[str, Shape]) -> tuple[Tensor, ...]:
    names = {tensor.name: tensor.name for tensor in recipe.inputs if tensor.name in found}
    for tensor in recipe.inputs:
        if tensor.name in names:
            continue
        free = [name for name in found if name not in names.values()]
        likely = [name for name in free if fits(tensor.shape, found[name])]
        if len(likely) != 1:
            listed = ", ".join(f"{name} {list(shape)}" for name, shape in found.items())
            raise RecipeInvalid(
                f"{recipe.file} has no input that is clearly {tensor.name!r} {list(tensor.shape)}; it has {listed}",
                hint=f"`livefuse models add` writes a recipe with the file's own names ({recipe.name} stays as it is)",
            )
        names[tensor.name] = likely[0]
    return tuple(
        tensor.model_copy(update={"name": names[tensor.name], "shape": found[names[tensor.name]]})
        for tensor in recipe.inputs
    )


def _outputs(recipe: Recipe, found: list[str]) -> tuple[Tensor, ...]:
    known = [tensor.name for tensor in recipe.outputs]
    if all(name in found for name in known):
        return recipe.outputs
    if len(known) > len(found):
        raise RecipeInvalid(
            f"{recipe.file} has {len(found)} outputs ({', '.join(found)}), the recipe {recipe.name} states {len(known)}",
            hint="`livefuse models add` finds out what the file is",
        )
    return tuple(
        tensor if tensor.name in found else tensor.model_copy(update={"name": found[place]})
        for place, tensor in enumerate(recipe.outputs)
    )
