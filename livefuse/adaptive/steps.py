"""The steps that a session offers: how often detector, masks and enhancers run, how fine they look, and pixel boost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from livefuse.adaptive.rungs import Cadenced, Rung, attribute, cadence
from livefuse.composite.masks.stage import Masks
from livefuse.config import Config
from livefuse.detect.network import NetworkDetector
from livefuse.detect.stage import Detect
from livefuse.sections import Rung as Kind
from livefuse.stages import Stages
from livefuse.swap.base import Look

_OFTENER = (2, 4)
_DETECTOR_PX = (224,)


def steps(config: Config, stages: Stages, look: Look, wear: Callable[[Look], None]) -> dict[Kind, Sequence[Rung]]:
    """Steps by kind, the first of each the least missed. `wear` puts another look on between two frames."""
    slow = [stage for stage in look.enhance if isinstance(stage, Cadenced)]
    every = config.enhance.every
    enhancers = [rung for stage in slow for rung in cadence("enhance", "enhancer", stage, every, _OFTENER)]
    return {
        "enhance": enhancers,
        "mask": _masks(config, look),
        "detect": _detector(config, stages),
        "boost": _boost(config, stages, look, wear),
    }


def _masks(config: Config, look: Look) -> list[Rung]:
    masks = look.masks
    if not isinstance(masks, Masks):
        return []
    rungs = cadence("mask", "masks", masks, config.mask.every, _OFTENER) if masks.has_networks else []
    if masks.estimate is not None:
        rungs += [attribute("mask", "hands 1/2", masks, "estimate_every", 2, 1)]
    return rungs


def _detector(config: Config, stages: Stages) -> list[Rung]:
    detect = stages.pipeline.detect
    if not isinstance(detect, Detect):
        return []
    rungs = cadence("detect", "detector", detect, config.detect.every, (2, 3))
    detector = detect.detector
    if isinstance(detector, NetworkDetector) and detector.size_px is not None:
        usual = config.detect.size
        rungs += [
            attribute("detect", f"detector {px} px", detector, "size_px", px, usual)
            for px in _DETECTOR_PX
            if px < usual
        ]
    return rungs


def _boost(config: Config, stages: Stages, look: Look, wear: Callable[[Look], None]) -> list[Rung]:
    """Made ready now, so that wearing it costs nothing."""
    if config.swap.boost == 1 or config.swap.model == "mesh":
        return []
    lesser = stages.look(config.model_copy(update={"swap": config.swap.model_copy(update={"boost": 1})}))
    return [Rung("boost", "boost 1", lambda: wear(lesser), lambda: wear(look))]
