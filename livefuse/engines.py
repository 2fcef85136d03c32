"""A session's engines: each model is fetched and loaded once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from livefuse.config import Config
from livefuse.errors import BadValue
from livefuse.paths import Paths
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import Kind, Recipe
from livefuse.weights.store import ModelStore


class Engines:
    """Raises, wherever a model is asked for: ModelMissing, ModelCorrupt, DownloadFailed, EngineFailed."""

    def __init__(self, config: Config, store: ModelStore | None = None, *, inline: bool = False) -> None:
        """`inline` has them run on the caller's thread, see OrtEngine."""
        self.store, self._inline = store or ModelStore.default(), inline
        self._runtime, self._auto_pull = config.runtime, config.auto_pull
        self._loaded: dict[tuple[str, tuple[tuple[str, int], ...]], OrtEngine] = {}

    def recipe(self, name: str, kind: Kind, key: str, *, also: Sequence[str] = ()) -> Recipe:
        """The recipe of that name, if it is of that kind; `key` is the setting that named it, `also` what else it may be.

        Raises: ModelMissing, BadValue.
        """
        recipe = self.store.recipe(name)
        if recipe.kind != kind:
            known = sorted(name for name, recipe in self.store.recipes.items() if recipe.kind == kind)
            raise BadValue(
                f"{key} = {name!r} is a {recipe.kind}, not a {kind}", hint=f"{kind}s: {', '.join([*known, *also])}"
            )
        return recipe

    def require(self, recipes: Sequence[Recipe]) -> None:
        """Have the files of several models at once, so that one message names all that lack."""
        self.store.ensure([recipe.name for recipe in recipes], auto_pull=self._auto_pull)

    def file(self, recipe: Recipe) -> Path:
        (path,) = self.store.ensure([recipe.name], auto_pull=self._auto_pull)
        return path

    def load(self, recipe: Recipe, *, fixed: Mapping[str, int] | None = None) -> OrtEngine:
        """The engine of a model; `fixed` gives dynamic axes their sizes."""
        key = (recipe.name, tuple(sorted((fixed or {}).items())))
        if key not in self._loaded:
            self._loaded[key] = OrtEngine(
                self._standard(self.file(recipe)), config=self._runtime, fixed=fixed, inline=self._inline
            )
        return self._loaded[key]

    def _standard(self, file: Path) -> Path:
        """What every provider can run: ONNX Runtime's own fused operators are the CPU's."""
        if self._runtime.providers == ("cpu",):
            return file
        from livefuse.weights.onnx.unfuse import standard_file

        return standard_file(file, Paths.default().cache / "onnx")
