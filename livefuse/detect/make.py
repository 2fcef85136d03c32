"""From a recipe to a detector."""

from __future__ import annotations

from livefuse.detect.network import Family, NetworkDetector
from livefuse.detect.scrfd import SCRFD
from livefuse.detect.view import Resize
from livefuse.detect.yoloface import YOLOFACE
from livefuse.detect.yunet import YUNET
from livefuse.device.base import Backend
from livefuse.errors import RecipeInvalid
from livefuse.runtime.base import Engine
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Recipe

FAMILIES: dict[str, Family] = {"yunet": YUNET, "scrfd": SCRFD, "yoloface": YOLOFACE}


def make_detector(
    recipe: Recipe,
    engine: Engine,
    backend: Backend,
    *,
    size_px: int,
    threshold: float,
    max_faces: int,
    resize: Resize = "area",
) -> NetworkDetector:
    """Raises: RecipeInvalid if the recipe's `decode` is no detector's."""
    family = FAMILIES.get(recipe.decode or "yunet")
    if recipe.kind != "detector" or family is None:
        raise RecipeInvalid(
            f"{recipe.name}: kind = {recipe.kind!r}, decode = {recipe.decode!r} is no detector",
            hint="detectors decode " + ", ".join(FAMILIES),
        )
    return NetworkDetector(
        engine,
        backend,
        Blob(recipe.normalisation, recipe.layout),
        family,
        size_px=size_px,
        threshold=threshold,
        max_faces=max_faces,
        resize=resize,
        dtype=recipe.inputs[0].dtype,
    )
