"""What networks say of faces: each of them run for all faces at once, the answers kept together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from livefuse.composite.masks.framing import Framing
from livefuse.composite.masks.matte import Matte
from livefuse.composite.masks.occluder import Occluder
from livefuse.composite.masks.parser import Parser
from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, Crop


@dataclass(slots=True)
class Parts:
    """The answers for one face, in its aligned square, (S, S) float32 0..1, each at its network's own resolution."""

    occlusion: list[F32]
    person: F32 | None = None
    regions: F32 | None = None


@dataclass(frozen=True, slots=True)
class Networks:
    """The mask networks of a look."""

    framing: Framing
    occluders: tuple[Occluder, ...] = ()
    matte: Matte | None = None
    parser: Parser | None = None

    def __bool__(self) -> bool:
        return bool(self.occluders or self.matte or self.parser)

    def begin(self, lane: Lane, picture: Picture, crops: Sequence[Crop], side: int) -> Callable[[], list[Parts]]:
        """Start what looks at the target; `side` is that of the square in which the matte comes. Raises: DegenerateFace."""
        if not crops:
            return list
        draws = [partial(self.framing.draw, lane, picture, crop) for crop in crops]
        running = [occluder.begin(lane, draws) for occluder in self.occluders]
        people = None
        if self.matte is not None:
            squares = [self.framing.to_square(crop, side) for crop in crops]
            people = self.matte.begin(lane, picture, crops, squares, side)

        def parts() -> list[Parts]:
            masks = [one() for one in running]
            persons = people() if people is not None else [None] * len(crops)
            return [Parts([mask[i] for mask in masks], person) for i, person in enumerate(persons)]

        return parts

    def parse(self, lane: Lane, crops: Sequence[Crop], parts: Sequence[Parts]) -> None:
        """Find the regions of the swapped faces, into their parts."""
        if self.parser is None or not crops:
            return
        for one, regions in zip(parts, self.parser.begin(lane, crops, self.framing)(), strict=True):
            one.regions = regions
