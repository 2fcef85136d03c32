"""From a configuration to the colour stage it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livefuse.composite.colour.base import Method
    from livefuse.config import Config
    from livefuse.swap.base import ColourStage

_MESH, _OWN_PROFILE = "mesh", "livefuse"


def make_colour(config: Config) -> ColourStage | None:
    """None where nothing of the target's colours is asked for."""
    colour, name = config.colour, _wanted(config)
    if name == "none":
        return None
    from livefuse.composite.colour import lattice
    from livefuse.composite.colour.stage import Colour

    method = _method(name, colour.amount)
    if config.swap.model == _MESH:
        return Colour(method, colour.seconds, lattice.of_face, "mask")
    if config.profile.name == _OWN_PROFILE:
        return Colour(method, colour.seconds, lattice.of_template, "crop", colour.seam)
    return Colour(method, colour.seconds, lattice.of_template, "face")  # the other profiles' masks are boxes


def profile_seam(config: Config) -> float:
    """How far the profile itself has colours meet at the seam: not at all where the colour stage does so after it."""
    return config.colour.seam if _wanted(config) == "none" else 0.0


def _wanted(config: Config) -> str:
    """Measured on painted faces under changing light: relighting alone keeps the identity's contrast and meets the target's
    colours best."""
    if config.colour.amount <= 0:
        return "none"
    if config.colour.method != "auto":
        return config.colour.method
    return "relight" if config.swap.model != _MESH and config.profile.name == _OWN_PROFILE else "none"


def _method(name: str, amount: float) -> Method:
    if name == "lab":
        from livefuse.composite.colour.lab import LabStatistics

        return LabStatistics(amount)
    if name == "histogram":
        from livefuse.composite.colour.histogram import Histogram

        return Histogram(amount)
    from livefuse.composite.colour.relight import Relight

    return Relight(amount)
