"""Looks: which swapper puts which identities on whom. Everything is loaded here, on the caller's thread, before a session's
pipeline gets the finished look between two frames."""

from __future__ import annotations

import hashlib

from livefuse.composite.colour.make import profile_seam
from livefuse.composite.profiles import make_profile
from livefuse.config import Config, IdentityConfig
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.errors import BadValue, IdentityError
from livefuse.finishing import Finishing, kept
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

    def __init__(
        self, backend: Backend, engines: Engines, find: FaceFinder, embed: Embed, *, wait: bool = True
    ) -> None:
        """`find` finds faces in photos, `embed` tells whose they are; `wait` as for Finishing."""
        self._backend, self._engines, self._find, self._embed = backend, engines, find, embed
        self._finishing = Finishing(backend, engines, wait=wait)
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
        return self._finishing.finished(Look(swapper, tuple(identities)), config)

    def _swapper(self, config: Config) -> Swapper:
        key = (config.swap, config.profile, config.privacy.mode, profile_seam(config))
        return kept(self._swappers, key, lambda: self._made(config))

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
            recipe,
            self._engines,
            self._backend,
            make_profile(config.profile, self._backend, profile_seam(config)),
            config.swap,
        )

    def _identity(self, model: str, wanted: IdentityConfig) -> Identity | None:
        recipe = None if model == MESH else self._engines.recipe(model, "swapper", "swap.model")
        if recipe is not None and recipe.identity == "none":
            return self._baked_in(recipe, wanted)
        if not wanted.photo:
            return None
        # A stored identity may have been replaced, or its consent withdrawn, since it was loaded.
        key = (wanted, standing_version(wanted.photo, self._folder))
        return kept(self._identities, key, lambda: load_identity(wanted, self._find, self._folder, self._embed))

    def _baked_in(self, recipe: Recipe, wanted: IdentityConfig) -> Identity | None:
        """The person a model was trained on. A photo is somebody else's, and so would its consent be."""
        if wanted.photo:
            raise IdentityError(
                f"{recipe.name} puts on the person it was trained on, not the one of {wanted.photo!r}",
                hint="leave out the photo, and say with `--consent` on what ground that person's face may be used",
            )
        if wanted.consent is None:
            return None
        return kept(self._identities, (recipe.name, wanted), lambda: self._identity_of_model(recipe, wanted))

    def _identity_of_model(self, recipe: Recipe, wanted: IdentityConfig) -> Identity:
        """A model that was trained on one person is their face: it takes their consent as a photo does."""
        digest = recipe.sha256 or hashlib.sha256(self._engines.file(recipe).read_bytes()).hexdigest()
        record = consent.require_ground(wanted.model_copy(update={"photo": recipe.file}), digest)
        consent.store(self._folder, record, recipe.file.encode(), ".txt")
        return Identity.of_model(recipe.name, record, digest)
