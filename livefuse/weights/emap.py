"""The matrix that inswapper's identity goes through: a weight of the file that no node uses, so optimisers drop it.

It is kept beside the model as a `.npy`, taken from the original file, so that an optimised or converted copy can be run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livefuse.errors import ModelCorrupt
from livefuse.frame import F32

if TYPE_CHECKING:
    from livefuse.weights.onnx.model import Model
    from livefuse.weights.recipe import Recipe
    from livefuse.weights.store import ModelStore

NAME = "buff2fs"
SHAPE = (512, 512)


def emap_of(store: ModelStore, recipe: Recipe) -> F32:
    """The matrix of a stored model, extracted when its sidecar is missing or older than the model.

    Shapes: -> (512, 512). Raises: ModelMissing, ModelCorrupt.
    """
    return emap_beside(store.path(recipe.name))


def emap_beside(model_path: Path) -> F32:
    """As `emap_of`, for a file that the caller trusts. Raises: ModelMissing, ModelCorrupt."""
    sidecar = sidecar_of(model_path)
    kept = _kept(sidecar, model_path)
    if kept is not None:
        return kept
    from livefuse.weights.onnx.model import read_model  # half a gigabyte is parsed for it: once

    emap = extract_emap(read_model(model_path))
    with suppress(OSError):  # a store that cannot be written works, it is only slower to open
        fresh = sidecar.with_name(f".{sidecar.name}.{os.getpid()}")
        with fresh.open("wb") as file:
            np.save(file, emap)
        fresh.replace(sidecar)
    return emap


def sidecar_of(model_path: Path) -> Path:
    return model_path.with_name(f"{model_path.name}.emap.npy")


def find_emap(model: Model) -> str | None:
    """The weight's name: `buff2fs`; else the 512x512 one that no node uses; else the last of all if it is 512x512.

    Programs that take the last weight are wrong for exports that end with another one.
    """
    from livefuse.weights.onnx.model import initializer_shapes, nodes

    shapes = {name: shape for name, shape, _ in initializer_shapes(model)}
    if shapes.get(NAME) == SHAPE:
        return NAME
    used = {name for node in nodes(model) for name in node.input}
    unused = [name for name, shape in shapes.items() if shape == SHAPE and name not in used]
    if unused:
        return unused[-1]
    last = next(reversed(shapes), None)
    return last if last is not None and shapes[last] == SHAPE else None


def extract_emap(model: Model) -> F32:
    """Shapes: -> (512, 512) float32, whatever precision the file has. Raises: ModelCorrupt where there is none."""
    from livefuse.weights.onnx.model import initializer

    name = find_emap(model)
    weight = None if name is None else initializer(model, name)
    if weight is None:
        raise ModelCorrupt(
            f"{model.path} holds no 512x512 matrix for the identity (`{NAME}`)",
            hint="optimisers drop it as unused: take the file as it was published",
        )
    emap = np.ascontiguousarray(weight, np.float32)
    if not np.isfinite(emap).all():
        raise ModelCorrupt(f"{model.path}: the identity's matrix {name!r} holds NaN or infinity", hint="fetch it again")
    return emap


def _kept(sidecar: Path, model_path: Path) -> F32 | None:
    try:
        if sidecar.stat().st_mtime_ns < model_path.stat().st_mtime_ns:
            return None
        emap = np.load(sidecar, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # missing, or damaged
        return None
    return np.asarray(emap, np.float32) if emap.shape == SHAPE else None
