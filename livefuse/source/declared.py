"""What a source that waits for its sender says it will deliver: from its URL's options, before anything has come."""

from __future__ import annotations

from fractions import Fraction

from livefuse.errors import BadValue
from livefuse.frame import Colour
from livefuse.source.base import SourceInfo
from livefuse.source.decode import LEAST_PX, MOST_PX
from livefuse.source.url import Location

USUAL_SIZE, USUAL_RATE = "1280x720", "30"
_MOST_RATE = 240


def declared_info(location: Location, colour: Colour) -> SourceInfo:
    """By `video_size` and `framerate`, which have defaults. Raises: BadValue."""
    width, height = _size(location)
    return SourceInfo(
        url=location.shown, width=width, height=height, fps=_rate(location), format="yuv420p", colour=colour, live=True
    )


def _size(location: Location) -> tuple[int, int]:
    said = location.options.get("video_size", USUAL_SIZE)
    width, height = (int(side) for side in said.split("x"))
    if min(width, height) < LEAST_PX or max(width, height) > MOST_PX or width % 2 or height % 2:
        hint = f"even sides from {LEAST_PX} to {MOST_PX}, e.g. {USUAL_SIZE}"
        raise BadValue(f"{location.shown}: video_size={said}", hint=hint)
    return width, height


def _rate(location: Location) -> Fraction:
    said = location.options.get("framerate", USUAL_RATE)
    above, _, below = said.partition("/")
    denominator = Fraction(below or 1)
    rate = Fraction(above) / denominator if denominator else Fraction(0)
    if not 1 <= rate <= _MOST_RATE:
        raise BadValue(f"{location.shown}: framerate={said}", hint=f"1 to {_MOST_RATE} frames per second")
    return rate
