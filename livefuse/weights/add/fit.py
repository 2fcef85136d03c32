"""Whether a file can be what a recipe describes: inputs, outputs and the identity's matrix, by shape and by name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from livefuse.errors import RecipeInvalid
from livefuse.weights.add.inspection import Inspection, in_words
from livefuse.weights.bind import fits
from livefuse.weights.onnx.model import Value
from livefuse.weights.recipe import Recipe, Tensor

_ROLE_NAMES = {"image": ("target", "image", "img", "input"), "identity": ("source", "src", "latent", "embedding", "id")}


class Misfit(Exception):
    """The file is not what the recipe describes; the message says in what."""


def fitted(found: Inspection, recipe: Recipe) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The recipe's inputs and outputs with the file's own names, shapes and dtypes. Raises: Misfit."""
    if recipe.source.emap and found.emap is None:
        raise Misfit("it has no 512x512 weight outside the graph for the identity")
    if not recipe.source.emap and recipe.kind == "swapper" and found.emap is not None:
        raise Misfit(f"it has a 512x512 weight outside the graph ({found.emap})")
    taken_inputs = _matched(recipe.inputs, found.inputs, "input")
    extra = [value for value in found.inputs if value.name not in {tensor.name for tensor in taken_inputs}]
    taken_outputs = _matched(recipe.outputs, found.outputs, "output")
    _check_sides(recipe, taken_inputs, taken_outputs)
    return (*taken_inputs, *_optional(recipe, extra)), taken_outputs


def _check_sides(recipe: Recipe, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """A picture in and a picture out are all that enhancers and upscalers of any family have: their sizes tell.

    Raises: Misfit.
    """
    if recipe.kind not in ("enhancer", "upscaler"):
        return
    given, made = (_sides(tensors, role) for tensors, role in ((inputs, "image"), (outputs, "face")))
    if recipe.kind == "enhancer" and not all(isinstance(side, int) for side in given):
        raise Misfit("its picture may have any size; an enhancer's has one")
    times = recipe.scale or 1
    for small, large in zip(given, made, strict=False):
        if recipe.kind == "upscaler" and isinstance(small, int) and isinstance(large, int) and large != small * times:
            raise Misfit(f"it makes {large} pixels of {small}, not {times} times as many")


def _sides(tensors: Sequence[Tensor], role: str) -> tuple[int | str, ...]:
    return next((tensor.shape[2:4] for tensor in tensors if tensor.role == role), ())


def _matched(stated: Sequence[Tensor], found: Sequence[Value], what: str) -> tuple[Tensor, ...]:
    """Each stated tensor's value: the one of its name, else the first that is free and fits. Raises: Misfit."""
    free = list(found)
    chosen: dict[str, Value] = {}
    for by_name in (True, False):
        for tensor in stated:
            if tensor.name in chosen:
                continue
            likely = [v for v in free if (v.name == tensor.name or not by_name) and _fits(tensor, v)]
            likely.sort(key=lambda value: not _suggests(value.name, tensor.role))  # stable: the file's order decides
            if likely:
                chosen[tensor.name] = likely[0]
                free.remove(likely[0])
            elif not by_name:
                there = ", ".join(f"{v.name} {in_words(v.shape)}" for v in found)
                raise Misfit(f"it has no {what} like {tensor.name} {in_words(tensor.shape)}: {there}")
    return tuple(_tensor(chosen[tensor.name], tensor) for tensor in stated)


def _fits(tensor: Tensor, value: Value) -> bool:
    """Exporters leave out shapes of outputs, keep a batch axis that others drop, or shape points as rows or in one row."""
    shape = tuple(axis if axis != "" else "?" for axis in value.shape)
    if not shape or fits(tensor.shape, shape):
        return True
    batched = len(shape) == len(tensor.shape) + 1 and (shape[0] == 1 or isinstance(shape[0], str))
    if batched and fits(tensor.shape, shape[1:]):
        return True
    values = _values(shape)
    return tensor.role == "landmarks" and values is not None and values == _values(tensor.shape)


def _values(shape: Sequence[int | str]) -> int | None:
    """How many numbers there are for one picture; None where an axis is free."""
    sizes = [axis for axis in shape[1:] if isinstance(axis, int)]
    return math.prod(sizes) if len(sizes) == len(shape) - 1 else None


def _suggests(name: str, role: str | None) -> bool:
    return any(part in name.lower() for part in _ROLE_NAMES.get(role or "", ()))


def _optional(recipe: Recipe, extra: Sequence[Value]) -> tuple[Tensor, ...]:
    """Inputs beyond the recipe's: a DFM may take how far it morphs. Raises: Misfit."""
    for value in extra:
        if recipe.decode != "dfm" or len(extra) > 1 or value.shape not in ((1,), ("",), ("?",), ()):
            raise Misfit(f"it has an input that the recipe knows nothing of: {value.name} {in_words(value.shape)}")
    return tuple(_tensor(value, Tensor(name=value.name, shape=(1,), role="morph")) for value in extra)


def _tensor(value: Value, like: Tensor) -> Tensor:
    shape = tuple(axis if axis != "" else f"axis_{place}" for place, axis in enumerate(value.shape)) or like.shape
    try:
        return Tensor.model_validate({"name": value.name, "shape": shape, "dtype": value.dtype, "role": like.role})
    except ValueError as error:
        raise RecipeInvalid(
            f"{value.name} is {value.dtype}: livefuse feeds float32, float16, float64 and int64",
            hint="export the model with float32 inputs and outputs",
        ) from error
