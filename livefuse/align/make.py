"""From a recipe to a landmarker."""

from __future__ import annotations

from livefuse.align.facemesh import FACEMESH
from livefuse.align.fan import FAN, PEPPA_WUTZ
from livefuse.align.landmarks_106 import LANDMARKS_106
from livefuse.align.network import Family, NetworkLandmarker
from livefuse.align.openseeface import OPENSEEFACE
from livefuse.align.points_to_68 import PointsTo68
from livefuse.device.base import Backend
from livefuse.errors import RecipeInvalid
from livefuse.runtime.base import Engine
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Recipe

FAMILIES: dict[str, Family] = {
    "openseeface": OPENSEEFACE,
    "fan": FAN,
    "peppa_wutz": PEPPA_WUTZ,
    "landmarks_106": LANDMARKS_106,
    "facemesh": FACEMESH,
}
_POINTS_TO_68 = "points_to_68"


def make_landmarker(recipe: Recipe, engine: Engine, backend: Backend) -> NetworkLandmarker | PointsTo68:
    """Raises: RecipeInvalid if the recipe's `decode` is no landmarker's."""
    decode = recipe.decode or "openseeface"
    dtype = recipe.inputs[0].dtype
    if recipe.kind == "landmarker" and decode == _POINTS_TO_68:
        return PointsTo68(engine, dtype=dtype)
    family = FAMILIES.get(decode)
    if recipe.kind != "landmarker" or family is None:
        raise RecipeInvalid(
            f"{recipe.name}: kind = {recipe.kind!r}, decode = {recipe.decode!r} is no landmarker",
            hint="landmarkers decode " + ", ".join([*FAMILIES, _POINTS_TO_68]),
        )
    return NetworkLandmarker(engine, backend, Blob(recipe.normalisation, recipe.layout), family, dtype=dtype)


def fixed_axes(recipe: Recipe) -> dict[str, int]:
    """Sizes to fix when a landmarker's engine is loaded: it runs one face at a time, and a batch known to be one lets the
    runtime fold shape arithmetic away."""
    batch = recipe.inputs[0].shape[0] if recipe.inputs[0].shape else 1
    return {batch: 1} if isinstance(batch, str) else {}
