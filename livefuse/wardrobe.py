"""Looks: which swapper puts which identities on whom. Everything is loaded here, on the caller's thread, before a session's
pipeline gets the finished look between two frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from livefuse.composite.profiles import make_profile
from livefuse.config import Config, IdentityConfig
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.errors import BadValue
from livefuse.paths import Paths
from livefuse.swap import consent
from livefuse.swap.base import Look, Swapper
from livefuse.swap.identity import Embed, FaceFinder, Identity, load_identity
from livefuse.swap.identity.load import standing_version
from livefuse.swap.mesh.swapper import MeshSwapper
from livefuse.weights.recipe import Recipe

MESH = "mesh"


class Wardrobe:
    """Keeps what it has loaded, so that coming back to a swapper or an identity costs nothing."""

    def __init__(self, backend: Backend, engines: Engines, find: FaceFinder, embed: Embed) -> None:
        """`find` finds faces in photos, `embed` tells whose they are."""
        self._backend, self._engines, self._find, self._embed = backend, engines, find, embed
        self._folder = Paths.default().identities
        self._swappers: dict[object, Swapper] = {}
        self._identities: dict[object, Identity] = {}

    def look(self, config: Config) -> Look:
        """Raises: ModelError, EngineError, IdentityError, BadValue."""
        swapper = self._swapper(config)
        identities = [self._identity(config.swap.model, wanted) for wanted in (config.identity, *config.cast)]
        for identity in identities:
            if identity is not None:
                swapper.prepare(identity)
        return Look(swapper, tuple(identities))

    def _swapper(self, config: Config) -> Swapper:
        key = (config.swap, config.profile, config.privacy.mode)
        if key not in self._swappers:
            self._swappers[key] = self._made(config)
        return self._swappers[key]

    def _made(self, config: Config) -> Swapper:
        if config.swap.model == MESH:
            if config.align.model == "none":
                raise BadValue(
                    "swap.model = 'mesh' goes by landmarks, align.model = 'none' places none", hint="set one of them"
                )
            return MeshSwapper(config.swap, self._backend, fade_in=config.privacy.mode == "open")
        from livefuse.swap.neural.make import make_swapper

        recipe = self._engines.recipe(config.swap.model, "swapper", "swap.model", also=[MESH])
        return make_swapper(
            recipe, self._engines, self._backend, make_profile(config.profile, self._backend), config.swap
        )

    def _identity(self, model: str, wanted: IdentityConfig) -> Identity | None:
        if wanted.photo:
            # A stored identity may have been replaced, or its consent withdrawn, since it was loaded.
            key: object = (wanted, standing_version(wanted.photo, self._folder))
            return self._kept(key, lambda: load_identity(wanted, self._find, self._folder, self._embed))
        recipe = None if model == MESH else self._engines.recipe(model, "swapper", "swap.model")
        if recipe is None or recipe.identity != "none" or wanted.consent is None:
            return None
        return self._kept((wanted, model), lambda: self._identity_of_model(recipe, wanted))

    def _kept(self, key: object, load: Callable[[], Identity]) -> Identity:
        if key not in self._identities:
            self._identities[key] = load()
        return self._identities[key]

    def _identity_of_model(self, recipe: Recipe, wanted: IdentityConfig) -> Identity:
        """A model that was trained on one person is their face: it takes their consent as a photo does."""
        digest = recipe.sha256 or hashlib.sha256(self._engines.file(recipe).read_bytes()).hexdigest()
        record = consent.require_ground(wanted.model_copy(update={"photo": recipe.file}), digest)
        consent.store(self._folder, record, recipe.file.encode(), ".txt")
        return Identity.of_model(recipe.name, record, digest)
