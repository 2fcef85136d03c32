"""A session's engines: each model is fetched and loaded once, when it is first asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from livefuse.config import Config
from livefuse.device.base import Lane
from livefuse.errors import BadValue, EngineFailed
from livefuse.paths import Paths
from livefuse.runtime.ort import OrtEngine
from livefuse.runtime.providers import short_name
from livefuse.weights.recipe import Kind, Recipe
from livefuse.weights.store import ModelStore

log = logging.getLogger("livefuse")

_HALF_BYTES, _BYTE = 3, 1.5  # a parameter: under so many it can only be a half, or a byte

_SAME = 1e-3  # of an output's range: sums in another order differ, pictures mixed up differ by far more


@dataclass(frozen=True, slots=True)
class Loaded:
    """One network that is ready to run. `placement` counts its nodes by provider, where the runtime can tell; `precision` is
    that of its weights, where it is known."""

    model: str
    kind: Kind
    file: str
    bytes: int
    precision: Literal["fp32", "fp16", "int8", ""]
    placement: Mapping[str, int]
    load_ms: float


class Engines:
    """Raises, wherever a model is asked for: ModelMissing, ModelCorrupt, DownloadFailed, EngineFailed."""

    def __init__(self, config: Config, store: ModelStore | None = None, *, inline: bool = False) -> None:
        """`inline` has them run on the caller's thread, see OrtEngine."""
        self.store, self._inline = store or ModelStore.default(), inline
        self._runtime, self._auto_pull = config.runtime, config.auto_pull
        self._batched: dict[str, OrtEngine | None] = {}
        self._loaded: dict[tuple[str, tuple[tuple[str, int], ...]], OrtEngine] = {}
        self.loaded: tuple[Loaded, ...] = ()

    def recipe(self, name: str, kind: Kind, key: str, *, also: Sequence[str] = ()) -> Recipe:
        """The recipe of that name, if it is of that kind; `key` is the setting that named it, `also` what else it may be.

        Raises: ModelMissing, BadValue.
        """
        recipe = self.store.recipe(name)
        if recipe.kind != kind:
            known = sorted(name for name, recipe in self.store.recipes.items() if recipe.kind == kind)
            raise BadValue(
                f"{key} = {name!r} is {_a(recipe.kind)}, not {_a(kind)}", hint=f"{kind}s: {', '.join([*known, *also])}"
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
            self._loaded[key] = self._made(recipe, self._standard(self.file(recipe)), fixed)
        return self._loaded[key]

    def _made(self, recipe: Recipe, file: Path, fixed: Mapping[str, int] | None = None) -> OrtEngine:
        began = time.perf_counter()
        engine = OrtEngine(file, config=self._runtime, fixed=fixed, inline=self._inline)
        load_ms, size_bytes = (time.perf_counter() - began) * 1e3, file.stat().st_size
        nodes = {short_name(name): count for name, count in engine.placement.items() if count}
        precision = _precision(size_bytes, recipe.parameters)
        told = Loaded(recipe.name, recipe.kind, file.name, size_bytes, precision, nodes, load_ms)
        self.loaded = (*self.loaded, told)
        return engine

    def load_batched(self, recipe: Recipe) -> OrtEngine | None:
        """The engine of a model that states a batch of one, taking any; None where its graph does not bear it. Two random
        inputs at once must give what each gives alone."""
        if recipe.name not in self._batched:
            self._batched[recipe.name] = self._tried(recipe)
        return self._batched[recipe.name]

    def _tried(self, recipe: Recipe) -> OrtEngine | None:
        from livefuse.weights.onnx.free_batch import freed_file

        freed = freed_file(self._standard(self.file(recipe)), Paths.default().cache / "onnx")
        try:
            engine = self._made(recipe, freed)
            same = bears_batches(engine)
        except EngineFailed as error:
            log.info("%s does not take a batch: %s", recipe.name, error)
            return None
        if not same:
            self.loaded = self.loaded[:-1]
        return engine if same else None

    def _standard(self, file: Path) -> Path:
        """What every provider can run: ONNX Runtime's own fused operators are the CPU's."""
        if self._runtime.providers == ("cpu",):
            return file
        from livefuse.weights.onnx.unfuse import standard_file

        return standard_file(file, Paths.default().cache / "onnx")


def _precision(size_bytes: int, parameters: int | None) -> Literal["fp32", "fp16", "int8", ""]:
    """By the bytes of a parameter: what a file holds besides is small."""
    if not parameters:
        return ""
    each = size_bytes / parameters
    return "int8" if each < _BYTE else "fp16" if each < _HALF_BYTES else "fp32"


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeou' else 'a'} {noun}"


def bears_batches(engine: OrtEngine) -> bool:
    """Whether two random inputs in one run give what each gives alone. Raises: EngineFailed."""
    random, lane = np.random.default_rng(0), Lane(-1)
    feeds = {
        name: random.random((2, *(axis for axis in shape[1:] if isinstance(axis, int))), np.float32)
        for name, shape in engine.inputs.items()
    }
    together = {name: values.copy() for name, values in engine.run(lane, feeds).items()}
    for i in range(2):
        alone = engine.run(lane, {name: values[i : i + 1] for name, values in feeds.items()})
        for name, values in alone.items():
            if together[name].shape != (2, *values.shape[1:]):
                return False
            reach = float(np.ptp(values)) or 1.0
            if not np.abs(together[name][i] - values[0]).max() <= _SAME * reach:
                return False
    return True
