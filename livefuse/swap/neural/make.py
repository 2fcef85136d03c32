"""From a recipe to a swapper: loads what the recipe names."""

from __future__ import annotations

from livefuse.align.converter import Converter
from livefuse.align.recogniser import Recogniser
from livefuse.composite.profiles.base import Profile
from livefuse.config import SwapConfig
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.errors import RecipeInvalid
from livefuse.swap.base import Swapper
from livefuse.swap.neural.dfm import DfmSwapper
from livefuse.swap.neural.source import EmbeddingSource, IdentitySource, ImageSource
from livefuse.swap.neural.swapper import NeuralSwapper
from livefuse.weights.bind import bound
from livefuse.weights.emap import emap_of
from livefuse.weights.recipe import Recipe


def make_swapper(recipe: Recipe, engines: Engines, backend: Backend, profile: Profile, config: SwapConfig) -> Swapper:
    """Raises: ModelMissing naming every file that lacks, EngineFailed, RecipeInvalid."""
    helpers = [name for name in (recipe.source.recogniser, recipe.source.converter) if name]
    engines.require([recipe, *(engines.store.recipe(name) for name in helpers)])
    # k x k pictures of one face in one run: batches are made possible where the export forbids them without need
    engine = (engines.load_batched(recipe) if config.boost > 1 else None) or engines.load(recipe)
    recipe = bound(recipe, engine.inputs, engine.outputs)
    if recipe.decode == "dfm":
        return DfmSwapper(recipe, engine, profile, morph=config.morph)
    source = _source(recipe, engines, backend, profile)
    return NeuralSwapper(recipe, engine, source, profile, boost=config.boost)


def _source(recipe: Recipe, engines: Engines, backend: Backend, profile: Profile) -> IdentitySource:
    if recipe.identity == "image":
        return ImageSource(recipe, backend)
    wanted = recipe.source.recogniser
    if wanted is None:
        raise RecipeInvalid(
            f"{recipe.name} takes an embedding, but its recipe does not say whose", hint="give it `source.recogniser`"
        )
    known = engines.recipe(wanted, "recogniser", "source.recogniser")
    converter = None
    if recipe.source.converter is not None:
        converter = Converter(engines.load(engines.recipe(recipe.source.converter, "converter", "source.converter")))
    return EmbeddingSource(
        recipe,
        Recogniser(engines.load(known), backend, known, sample="area" if profile.name == "livefuse" else "insightface"),
        backend,
        converter=converter,
        emap=emap_of(engines.store, recipe) if recipe.source.emap else None,
        latent=profile.latent,
    )
