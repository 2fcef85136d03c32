"""`livefuse bench models`: every recipe's model, loaded and run on this machine.

The real file is taken where the store has it; elsewhere one of the same architecture is written with random weights,
measured and removed before the next, so that disk and memory hold one model at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from livefuse.config import RuntimeConfig
from livefuse.device.base import Lane
from livefuse.errors import LicenceNotAccepted, LivefuseError, ModelMissing
from livefuse.runtime.ort import OrtEngine
from livefuse.runtime.providers import short_name
from livefuse.weights.add.trial import UPSCALED_PX, feed
from livefuse.weights.bind import bound
from livefuse.weights.recipe import Recipe, Tensor
from livefuse.weights.store import ModelStore
from livefuse.weights.synthesize import ARCHITECTURES, Precision, synthesize

DETECTOR_PX = 640
"""Where a detector's input has free sides: the size that its recipe's GMAC are stated for."""

_WARM_UP_RUNS = 2  # the first shows the outputs' shapes, the second makes their memory
_LEAST_RUNS = 3
_BUDGET_S = 15.0


@dataclass(frozen=True, slots=True)
class Options:
    """How models are made and measured. `precision` None is each real file's own."""

    runs: int = 20
    tiny: bool = False
    precision: Precision | None = None
    threads: int = 0
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)


@dataclass(frozen=True, slots=True)
class Row:
    """One model's line. `gflop` are 2 × 10^9 multiply-adds of one run; times are 0 where there was none.

    `weights` are those of the real file, random ones in the published architecture, or random ones in a stand-in that has
    the real model's contract and bytes only.
    """

    name: str
    kind: str
    status: Literal["ok", "failed", "skipped"]
    reason: str = ""
    weights: Literal["real", "random", "stand-in", ""] = ""
    bytes: int = 0
    parameters: int | None = None
    gflop: float | None = None
    load_ms: float = 0.0
    median_ms: float = 0.0
    p95_ms: float = 0.0
    runs: int = 0
    provider: str = ""

    @property
    def gflop_per_s(self) -> float | None:
        return self.gflop / self.median_ms * 1e3 if self.gflop and self.median_ms else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"gflop_per_s": self.gflop_per_s}


def measure_models(
    store: ModelStore, names: Sequence[str], options: Options, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Row]:
    """A row for each named model, or for every recipe. What was named and is nowhere to be had has failed; otherwise it is
    skipped. Raises: ModelMissing for an unknown name."""
    recipes = [store.recipe(name) for name in names] or list(store.recipes.values())
    for recipe in recipes:
        progress(recipe.name)
        row = _row(store, recipe, options)
        yield replace(row, status="failed") if names and row.status == "skipped" else row


def _row(store: ModelStore, recipe: Recipe, options: Options) -> Row:
    blank = Row(recipe.name, recipe.kind, "ok", parameters=recipe.parameters, gflop=_gflop(recipe.gmac))
    try:
        made_anyway = recipe.synthesis and (options.tiny or options.precision)
        path = None if made_anyway else _real_file(store, recipe)
        if path is not None:
            return _measured(path, recipe, options, replace(blank, weights="real"))
        reason = _not_written(recipe, options)
        return replace(blank, status="skipped", reason=reason) if reason else _synthesized(recipe, options, blank)
    except LivefuseError as error:
        return replace(blank, status="failed", reason=error.message)
    except Exception as error:  # one broken model may not hide the others' figures
        return replace(blank, status="failed", reason=f"{type(error).__name__}: {error}")


def _real_file(store: ModelStore, recipe: Recipe) -> Path | None:
    try:
        return store.ensure([recipe.name])[0]
    except (ModelMissing, LicenceNotAccepted):
        return None


def _not_written(recipe: Recipe, options: Options) -> str:
    """Why no model can be synthesized, or nothing."""
    if recipe.synthesis is None:
        return f"`livefuse models pull {recipe.name}`: nothing stands in for it"
    known = ARCHITECTURES.get(recipe.synthesis)
    return known.only_fp32 if known and options.precision == "fp16" else ""


def _synthesized(recipe: Recipe, options: Options, blank: Row) -> Row:
    with TemporaryDirectory(prefix="livefuse-bench-") as folder:
        path = Path(folder) / recipe.file
        precision = options.precision or _own_precision(recipe)
        made = synthesize(str(recipe.synthesis), path, precision=precision, tiny=options.tiny)
        weights: Literal["random", "stand-in"] = "stand-in" if made.stand_in else "random"
        row = replace(blank, weights=weights, parameters=made.parameters, gflop=_gflop(made.gmac))
        return _measured(path, recipe, options, row)


def _own_precision(recipe: Recipe) -> Precision | None:
    """Two bytes a parameter are half precision; where that is not known, the architecture says."""
    half = recipe.bytes and recipe.parameters and recipe.bytes < 3 * recipe.parameters
    return "fp16" if half else None


def _measured(path: Path, recipe: Recipe, options: Options, row: Row) -> Row:
    began = time.perf_counter()
    engine, lane = OrtEngine(path, config=options.runtime, threads=options.threads), Lane(0)
    load_ms = (time.perf_counter() - began) * 1e3
    recipe = bound(recipe, engine.inputs, engine.outputs)
    feeds = {tensor.name: feed(_sized(tensor, recipe), recipe) for tensor in recipe.inputs}
    for _ in range(_WARM_UP_RUNS):
        outputs = engine.run(lane, feeds)
    broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
    times_ms = _times_ms(lambda: engine.run(lane, feeds), options.runs)
    return replace(
        row,
        status="failed" if broken else "ok",
        reason=f"{', '.join(broken)}: NaN or infinity" if broken else "",
        bytes=path.stat().st_size,
        load_ms=load_ms,
        median_ms=float(np.median(times_ms)),
        p95_ms=float(np.percentile(times_ms, 95)),
        runs=len(times_ms),
        provider=_provider(engine, options.runtime),
    )


def _provider(engine: OrtEngine, runtime: RuntimeConfig) -> str:
    """The one that runs most nodes; the preferred one where the runtime cannot tell."""
    nodes = engine.placement
    return short_name(max(nodes, key=nodes.__getitem__)) if nodes else runtime.providers[0].partition(":")[0]


def _times_ms(run: Callable[[], Any], runs: int) -> npt.NDArray[np.float64]:
    """At most `runs`, fewer where they take long."""
    times_s: list[float] = []
    while len(times_s) < runs and (len(times_s) < _LEAST_RUNS or sum(times_s) < _BUDGET_S):
        began = time.perf_counter()
        run()
        times_s.append(time.perf_counter() - began)
    return np.array(times_s) * 1e3


def _sized(tensor: Tensor, recipe: Recipe) -> Tensor:
    """The input with its free axes fixed: one picture, at the size that the recipe's figures are for."""
    side = recipe.crop_px or (UPSCALED_PX if recipe.kind == "upscaler" else DETECTOR_PX)
    sides = tuple(axis if isinstance(axis, int) else side for axis in tensor.shape[1:])
    first = tensor.shape[0] if isinstance(tensor.shape[0], int) else 1
    return tensor.model_copy(update={"shape": (first, *sides)})


def _gflop(gmac: float | None) -> float | None:
    return 2 * gmac if gmac else None
