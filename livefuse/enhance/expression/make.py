"""From a configuration to the expression stage."""

from __future__ import annotations

from livefuse.config import Config
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.enhance.expression.stage import ExpressionRestorer, Part, Portrait
from livefuse.errors import RecipeInvalid
from livefuse.weights.bind import bound
from livefuse.weights.recipe import Recipe


def make_expression(config: Config, engines: Engines, backend: Backend) -> ExpressionRestorer | None:
    """The configured one, or none. Raises: ModelMissing naming every file that lacks, EngineFailed, RecipeInvalid, BadValue."""
    wanted = config.expression
    if not wanted.model:
        return None
    generator = engines.recipe(wanted.model, "expression", "expression.model")
    partners = [engines.recipe(name, "expression", "partners") for name in generator.partners]
    volume = next((one for one in partners if one.output("volume")), None)
    motion = next((one for one in partners if one.output("expression")), None)
    if generator.output("face") is None or volume is None or motion is None:
        generators = [name for name, one in engines.store.recipes.items() if one.kind == "expression" and one.partners]
        raise RecipeInvalid(
            f"{wanted.model} makes no face of a volume of features and motion", hint=f"use {', '.join(generators)}"
        )
    engines.require([generator, volume, motion])
    portrait = Portrait(*(_part(recipe, engines) for recipe in (volume, motion, generator)))
    return ExpressionRestorer(
        portrait, backend, amount=wanted.amount, areas=wanted.areas, box=config.profile.name == "facefusion"
    )


def _part(recipe: Recipe, engines: Engines) -> Part:
    engine = engines.load(recipe)
    return Part(bound(recipe, engine.inputs, engine.outputs), engine)
