"""From a model in the store to the same in another precision: written, judged beside the original, and only then kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livefuse.errors import BadValue, LivefuseError, ModelError, NoFace
from livefuse.runtime.base import Feeds
from livefuse.runtime.offline import Activations, Calibration
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.add.inspection import inspect
from livefuse.weights.add.writing import write_recipe
from livefuse.weights.bind import bound
from livefuse.weights.convert.calibrate import Material, material
from livefuse.weights.convert.feeds import feeds_of
from livefuse.weights.convert.half import to_half
from livefuse.weights.convert.judge import THRESHOLDS, Judgement, Precision, judged, measure_of, shown_value
from livefuse.weights.convert.prepare import need_onnx, prepared, take_emap, types_of
from livefuse.weights.convert.quantise import OPSET, PLANS, write_int8
from livefuse.weights.onnx.model import read_model, write_chunks, write_model
from livefuse.weights.part import sha256_of
from livefuse.weights.recipe import Recipe
from livefuse.weights.store import USABLE, ModelStore

WORDS: dict[Precision, str] = {"fp16": "half precision", "int8": "INT8"}
MOST_PICTURES, MOST_CROPS = 24, 32
_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. `threshold` None takes the precision's own; `frames` None draws faces; `out` writes a file and
    installs nothing; `name` is what the model is called in the store."""

    precision: Precision
    frames: Path | None = None
    out: Path | None = None
    name: str = ""
    threshold: float | None = None
    most: int = MOST_PICTURES
    calibration: Calibration = "minmax"
    activations: Activations = "int8"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One file that was written and judged; `how` says what stayed in float32."""

    how: str
    size_bytes: int
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of it. `recipe` is None where only a file was written."""

    path: Path
    recipe: Recipe | None
    recipe_path: Path | None
    source_bytes: int
    attempt: Attempt
    judged_on: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.recipe.name if self.recipe else None,
            "path": str(self.path),
            "recipe": str(self.recipe_path) if self.recipe_path else None,
            "bytes": self.attempt.size_bytes,
            "source_bytes": self.source_bytes,
            "how": self.attempt.how,
            "judged_on": self.judged_on,
            "judgement": self.attempt.judgement.as_dict(),
        }


Told = Callable[["Material | Attempt"], None]


def convert_model(
    store: ModelStore, recipes_folder: Path, name: str, wish: Wish, *, tell: Told = lambda _: None
) -> Converted:
    """Convert a stored model. What falls under the threshold is not kept; on failure nothing is left behind.

    Raises: ModelMissing, ModelCorrupt, BadValue where the name is taken or the model is not in float32, ModelError where
    the package `onnx` lacks or the result is not good enough, SourceError, NoFace, EngineFailed, StoreUnwritable.
    """
    need_onnx()
    recipe = store.recipe(name)
    wanted = wish.name or f"{recipe.name}_{wish.precision}"
    if wish.out is None:
        _check_free(store, wanted, recipe)
    source = store.path(recipe.name)
    _check_float32(source, recipe)
    seen = material(wish.frames, store, most=wish.most)
    tell(seen)
    with tempfile.TemporaryDirectory(prefix="livefuse-convert-") as folder:
        file, attempt = _good_enough(source, recipe, seen, wish, Path(folder), tell)
        if wish.out is not None:
            with file.open("rb") as content:
                write_chunks(wish.out, iter(lambda: content.read(_CHUNK_BYTES), b""))
            return Converted(wish.out, None, None, source.stat().st_size, attempt, seen.source)
        made = _recipe(recipe, wanted, file, wish.precision, attempt, seen)
        path, recipe_path = _installed(store, recipes_folder, made, file, recipe.name)
    return Converted(path, made, recipe_path, source.stat().st_size, attempt, seen.source)


def _check_free(store: ModelStore, name: str, source: Recipe) -> None:
    """Before minutes of work. A built-in recipe of that name, whose file is not here, is hidden by the user's own."""
    held = store.recipes.get(name)
    if held is not None and (held.family or held.name == source.name or store.status(name) in USABLE):
        raise BadValue(
            f"{name} is here already", hint=f"`livefuse models remove {name}` first, or --name gives this one another"
        )
    file = _file_of(source, name)
    clash = next((r.name for r in store.recipes.values() if r.file == file and r.name != name), None)
    if clash:
        raise BadValue(f"{file} is the file of {clash}", hint="--name gives this one another")


def _check_float32(path: Path, recipe: Recipe) -> None:
    found = inspect(path)
    quantised = any(operator in found.operators for operator in _QUANTISED)
    if quantised or found.precision != "float32":
        what = "INT8" if quantised else found.precision
        raise BadValue(f"{recipe.name} is in {what} already", hint="convert the one in float32")


def _good_enough(
    source: Path, recipe: Recipe, seen: Material, wish: Wish, folder: Path, tell: Told
) -> tuple[Path, Attempt]:
    """The first file that holds. Raises: ModelError with the best number where none does."""
    before = OrtEngine(source)
    recipe = bound(recipe, before.inputs, before.outputs)
    feeds = feeds_of(recipe, before, seen.judging, most=MOST_CROPS)
    if not feeds:
        raise NoFace(f"{seen.source} gave nothing to judge {recipe.name} on", hint="give it others with --frames")
    least = THRESHOLDS[wish.precision][measure_of(recipe)] if wish.threshold is None else wish.threshold
    attempts = []
    for file, how in _written(source, recipe, before, seen, wish, folder):
        judgement = judged(recipe, before, OrtEngine(file), feeds, seen.judging)
        attempts.append(Attempt(how, file.stat().st_size, judgement))
        tell(attempts[-1])
        if judgement.value >= least:
            return file, attempts[-1]
    best = max((one.judgement for one in attempts), key=lambda judgement: judgement.value)
    reached, needed = (shown_value(best.measure, value) for value in (best.value, least))
    raise ModelError(
        f"{recipe.name} in {WORDS[wish.precision]} reaches {reached} against float32, {needed} are needed: not installed",
        hint=f"--threshold {_rounded_down(best.value)} takes it as it is; other --frames or --calibration may do better",
    )


def _written(
    source: Path, recipe: Recipe, before: OrtEngine, seen: Material, wish: Wish, folder: Path
) -> Iterator[tuple[Path, str]]:
    """Files to be judged, the boldest first. Raises: EngineFailed, StoreUnwritable."""
    out = folder / "converted.onnx"
    if wish.precision == "fp16":
        model = read_model(prepared(source, folder))
        halved = to_half(model)
        write_model(model, out)
        del model
        types_of(read_model(out))  # strict: every tensor has one type, and every operator takes it
        yield out, f"{halved.half} nodes in half precision, {halved.single} kept in float32, {halved.casts} casts"
        return
    simple = prepared(source, folder, opset=OPSET)
    emap = take_emap(simple)
    calibration: list[Feeds] = feeds_of(recipe, before, seen.calibration, most=MOST_CROPS)
    for plan in PLANS:
        kept = write_int8(
            simple, out, calibration, plan, calibration=wish.calibration, activations=wish.activations, emap=emap
        )
        types_of(read_model(out))
        yield out, plan.in_words() + (f" ({kept} of them)" if kept else "")


def _recipe(recipe: Recipe, name: str, file: Path, precision: Precision, attempt: Attempt, seen: Material) -> Recipe:
    judgement = attempt.judgement
    number = shown_value(judgement.measure, judgement.value) + (" of faces kept" if judgement.measure == "kept" else "")
    own: dict[str, Any] = {
        "name": name,
        "aliases": (),
        "urls": (),
        "family": recipe.name,
        "file": _file_of(recipe, name),
        "bytes": file.stat().st_size,
        "sha256": sha256_of(file),
        "hash_from": "file",
        "description": f"{recipe.description}; in {WORDS[precision]}: {number} against float32 on {seen.source}",
    }
    return Recipe.model_validate(recipe.model_dump() | own)


def _file_of(recipe: Recipe, name: str) -> str:
    return name + Path(recipe.file).suffix


def _installed(store: ModelStore, folder: Path, made: Recipe, file: Path, source: str) -> tuple[Path, Path]:
    """The file in the store and its recipe, both or neither. Raises: StoreUnwritable, ModelCorrupt."""
    hidden = store.recipes.get(made.name)
    try:
        path = store.add(made, file, accept_licence=True)  # whoever has the original has accepted it
        return path, write_recipe(made, folder, source, by="livefuse models convert")
    except LivefuseError:
        with suppress(LivefuseError):  # the first failure is the one to tell
            store.remove(made.name)
        store.recipes.pop(made.name, None)
        if hidden is not None:
            store.recipes[made.name] = hidden
        raise


def _rounded_down(value: float) -> float:
    return int(value * 1000 - (value < 0)) / 1000
