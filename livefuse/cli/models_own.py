"""`livefuse models add|show|remove`: a user's own model files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json
from livefuse.cli.models import AsJson, as_dict, open_store, status_of

if TYPE_CHECKING:
    from livefuse.weights.add.family import Match
    from livefuse.weights.add.inspection import Inspection
    from livefuse.weights.add.trial import Trial
    from livefuse.weights.recipe import Tensor

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model; see `livefuse models list`.")]

_NAMED_OUTPUTS = 3


def models_add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX or DFM file.")],
    name: Annotated[str, typer.Option("--name", help="What to call it; otherwise the file says.")] = "",
    family: Annotated[
        str, typer.Option("--family", metavar="RECIPE", help="The recipe it is like, where that is not clear.")
    ] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept a non-commercial licence, once for this machine.")
    ] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Leave out the self-test.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add a model file of your own: find out what it is, try it on a synthetic face, keep it with a recipe."""
    from livefuse.paths import Paths
    from livefuse.weights.add.adding import add_model

    added = add_model(
        open_store(),
        Paths.default().recipes,
        file,
        name=name,
        family=family,
        accept_licence=accept_licence,
        untested=untested,
        tell=lambda step: typer.echo(_in_words(step), err=True),
    )
    if as_json:
        print_json(added.as_dict())
        return
    typer.echo(f"{added.recipe.name}: {added.path}")
    if added.recipe_path is not None:
        typer.echo(f"recipe: {added.recipe_path}")


def models_show(name: Name, as_json: AsJson = False) -> None:
    """Show everything that a model's recipe says, and what is here of it."""
    model = open_store().stored(name)
    recipe = model.recipe
    if as_json:
        print_json(recipe.model_dump(mode="json") | as_dict(model))
        return
    told = recipe.model_dump(mode="json", exclude_defaults=True)
    told |= {"inputs": [_tensor(t) for t in recipe.inputs], "outputs": [_tensor(t) for t in recipe.outputs]}
    told |= {"non_commercial": "yes" if recipe.non_commercial else "no", "status": status_of(model)}
    here = {"path": str(model.path), "recorded_sha256": model.recorded_sha256} if model.status != "missing" else {}
    for key, value in (told | here).items():
        for line in _lines(key, value):
            typer.echo(line)


def models_remove(name: Name, as_json: AsJson = False) -> None:
    """Delete a model's file, and its recipe if `models add` wrote that."""
    from livefuse.paths import Paths
    from livefuse.weights.add.writing import forget_recipe

    store = open_store()
    recipe = store.recipe(name)
    removed = [str(store.stored(recipe.name).path)] if store.remove(recipe.name) else []
    own = forget_recipe(recipe, Paths.default().recipes)
    if own is not None:
        removed.append(str(own))
    if as_json:
        print_json({"name": recipe.name, "removed": removed})
        return
    for path in removed:
        typer.echo(path)
    if not removed:
        typer.echo(f"nothing of {recipe.name} is here", err=True)


def _in_words(step: Inspection | Match | Trial) -> str:
    from livefuse.weights.add.family import Match
    from livefuse.weights.add.inspection import Inspection, in_words

    if isinstance(step, Inspection):
        tensors = [
            f"  {what}  {value.name} {in_words(value.shape)} {value.dtype}"
            for what, values in (("in ", step.inputs), ("out", step.outputs))
            for value in values
        ]
        emap = [f"  identity matrix  {step.emap} (512, 512)"] if step.emap else []
        size = f"{step.size_bytes / 1e6:.1f} MB, {step.parameters / 1e6:.2f} M parameters, {step.precision}"
        return "\n".join([f"{step.path.name}: {size}, opset {step.opset}", *tensors, *emap])
    if isinstance(step, Match):
        return f"family {step.recipe.name} ({step.recipe.kind}): {step.reason}"
    if len(step.outputs) > _NAMED_OUTPUTS:
        return f"self-test: {step.ms:.0f} ms, all {len(step.outputs)} outputs finite"
    results = ", ".join(f"{o.name} finite, {o.least:.3g} to {o.most:.3g}" for o in step.outputs)
    return f"self-test: {step.ms:.0f} ms, {results}"


def _tensor(tensor: Tensor) -> str:
    from livefuse.weights.add.inspection import in_words

    role = f", {tensor.role}" if tensor.role else ""
    return f"{tensor.name} {in_words(tensor.shape)} {tensor.dtype}{role}"


def _lines(key: str, value: Any) -> list[str]:
    """One line a fact; what a recipe leaves open is left out."""
    if value in (None, "", [], {}):
        return []
    if isinstance(value, dict):
        return [line for name, inner in value.items() for line in _lines(f"{key}.{name}", inner)]
    if isinstance(value, list) and isinstance(value[0], str):
        return [f"{key:22} {value[0]}", *(f"{'':22} {entry}" for entry in value[1:])]
    return [f"{key:22} {value}"]
