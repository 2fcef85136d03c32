"""From a configuration to the stages that change swapped faces."""

from __future__ import annotations

from livefuse.config import Config
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.enhance.facefusion import FaceFusionGround
from livefuse.enhance.ground import Ground, Plain
from livefuse.enhance.network import Network
from livefuse.enhance.restorer import Restorer
from livefuse.swap.base import EnhanceStage
from livefuse.weights.bind import bound

_MESH = "mesh"


def make_enhancers(config: Config, engines: Engines, backend: Backend, *, wait: bool) -> tuple[EnhanceStage, ...]:
    """The configured enhancer, or none; `wait` is what `enhance.wait` means where it is unsaid.

    Raises: ModelMissing, DownloadFailed, EngineFailed, RecipeInvalid, BadValue.
    """
    wanted = config.enhance
    if not wanted.model:
        return ()
    recipe = engines.recipe(wanted.model, "enhancer", "enhance.model")
    engine = engines.load(recipe)
    recipe = bound(recipe, engine.inputs, engine.outputs)
    network = Network(recipe, engine, wanted.fidelity)
    waits = wait if wanted.wait is None else wanted.wait
    ground = _ground(config, backend, network.side)
    return (Restorer(network, ground, every=wanted.every, blend=wanted.blend, wait=waits),)


def _ground(config: Config, backend: Backend, side: int) -> Ground:
    if config.profile.name == "facefusion" and config.swap.model != _MESH:
        return FaceFusionGround(backend, side, config.enhance.blend)
    own = config.profile.name == "livefuse" or config.swap.model == _MESH
    return Plain(backend, side, mask=config.enhance.mask, own=own, closed=config.privacy.mode == "closed")
