"""From a configuration to the stage of masks."""

from __future__ import annotations

from livefuse.composite.masks.base import Masker
from livefuse.composite.masks.exact import Exact
from livefuse.composite.masks.framing import ByPoints, WholeCrop
from livefuse.composite.masks.keep import NOTHING, Keep
from livefuse.composite.masks.matte import Matte
from livefuse.composite.masks.occluder import Occluder
from livefuse.composite.masks.parser import Parser
from livefuse.composite.masks.parts import Networks
from livefuse.composite.masks.soft import ESTIMATE_GRID_PX, NETWORK_GRID_PX, Soft
from livefuse.composite.masks.stage import Masks
from livefuse.config import Config
from livefuse.device.base import Backend
from livefuse.engines import Engines
from livefuse.errors import BadValue
from livefuse.swap.base import MaskStage

ESTIMATE, _AUTO, _MESH, _FACEFUSION = "estimate", "auto", "mesh", "facefusion"


def make_masks(config: Config, engines: Engines, backend: Backend) -> MaskStage | None:
    """None where nothing is to be masked.

    Raises: BadValue, ModelMissing naming every file that lacks, EngineFailed, RecipeInvalid.
    """
    mask, meshed = config.mask, config.swap.model == _MESH
    occlusion = _occlusion(config)
    keep = NOTHING if meshed else Keep(config.swap.keep_mouth is True, config.swap.keep_eyes)
    if not (occlusion or mask.regions or mask.areas or mask.matte or mask.box or keep):
        return None
    _refuse_without_landmarks(config, keep)
    _refuse_half_a_face(config)
    framing = ByPoints(backend) if meshed else WholeCrop()
    networks = _networks(config, occlusion, framing, engines, backend)
    estimate = _estimate() if ESTIMATE in occlusion else None
    if config.profile.name == _FACEFUSION and not meshed:
        return Masks(networks, estimate, Exact(mask.areas, keep), every=mask.every)
    box = (config.profile.mask_blur, config.profile.mask_padding) if mask.box else None
    grid_px = NETWORK_GRID_PX if networks else ESTIMATE_GRID_PX
    finish = Soft(grid_px, mask.steady, mask.areas, keep, box)
    return Masks(networks, estimate, finish, every=mask.every)


def _occlusion(config: Config) -> tuple[str, ...]:
    """Another program's profile is exactly that program's, so what it does not have must be asked for."""
    other = config.profile.name != "livefuse" and config.swap.model != _MESH
    by_default = () if other else (ESTIMATE,)
    return tuple(one for name in config.mask.occlusion for one in (by_default if name == _AUTO else (name,)))


def _refuse_without_landmarks(config: Config, keep: Keep) -> None:
    if config.align.model != "none" or config.detect.model == "known":
        return
    wanted = ["mask.areas"] * bool(config.mask.areas)
    wanted += ["swap.keep_mouth"] * keep.mouth + ["swap.keep_eyes"] * keep.eyes
    if wanted:
        raise BadValue(
            f"{' and '.join(wanted)} go by landmarks, align.model = 'none' places none",
            hint="set `align.model`, or leave them out",
        )


def _refuse_half_a_face(config: Config) -> None:
    wanted = [f"mask.{name}" for name in ("areas", "regions") if getattr(config.mask, name)]
    if wanted and config.privacy.mode == "closed":
        raise BadValue(
            f"{' and '.join(wanted)} leave the rest of the real face in the picture, which privacy.mode = 'closed' rules out",
            hint='set privacy.mode = "open", or swap the whole face',
        )


def _estimate() -> Masker:
    from livefuse.composite.masks.estimate import OcclusionEstimate

    return OcclusionEstimate(grid_px=ESTIMATE_GRID_PX)


def _networks(
    config: Config, occlusion: tuple[str, ...], framing: ByPoints | WholeCrop, engines: Engines, backend: Backend
) -> Networks:
    mask = config.mask
    occluders = [
        engines.recipe(name, "occluder", "mask.occlusion", also=[ESTIMATE, _AUTO])
        for name in occlusion
        if name != ESTIMATE
    ]
    matte = engines.recipe(mask.matte, "matte", "mask.matte") if mask.matte else None
    parser = engines.recipe(mask.parser, "parser", "mask.parser") if mask.regions else None
    engines.require([recipe for recipe in (*occluders, matte, parser) if recipe is not None])
    return Networks(
        framing,
        tuple(Occluder(recipe, engines.load(recipe)) for recipe in occluders),
        None if matte is None else Matte(matte, engines.load(matte), backend),
        None if parser is None else Parser(parser, engines.load(parser), mask.regions),
    )
