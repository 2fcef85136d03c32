"""A store whose models are synthesized: the contracts of the real ones, random weights, few channels."""

from __future__ import annotations

import hashlib
import re

from livefuse.paths import Paths
from livefuse.weights.recipe import builtin_folder, load_recipe
from livefuse.weights.synthesize import synthesize

SWAPPER_NEEDS = {
    "inswapper_128": ("inswapper_128", "w600k_r50"),
    "hyperswap_1a_256": ("hyperswap_1a_256", "w600k_r50"),
    "simswap_256": ("simswap_256", "w600k_r50", "crossface_simswap"),
    "ghost_1_256": ("ghost_1_256", "w600k_r50", "crossface_ghost"),
    "hififace_unofficial_256": ("hififace_unofficial_256", "w600k_r50", "crossface_hififace"),
    "simswap_unofficial_512": ("simswap_unofficial_512", "w600k_r50", "crossface_simswap"),
    "blendswap_256": ("blendswap_256",),
    "uniface_256": ("uniface_256",),
}


def install(paths: Paths, *names: str, tiny: bool = True) -> None:
    """Put models of these recipes into the store, with recipes of the user's own that state what they are."""
    paths.models.mkdir(parents=True, exist_ok=True)
    paths.recipes.mkdir(parents=True, exist_ok=True)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.synthesis is not None
        file = paths.models / recipe.file
        if file.exists():
            continue
        synthesize(recipe.synthesis, file, tiny=tiny)
        text = (builtin_folder() / f"{name}.toml").read_text("utf-8")
        text = re.sub(r"^(sha256|bytes|hash_from) = .*\n", "", text, flags=re.MULTILINE)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        stated = f'sha256 = "{digest}"\nbytes = {file.stat().st_size}\nlicence = '
        (paths.recipes / f"{name}.toml").write_text(text.replace("licence = ", stated, 1), "utf-8")
