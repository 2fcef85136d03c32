"""What a colour method is: a map measured on coarse views of both faces, and applied to the swapped one."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from livefuse.composite.colour.lattice import Place
from livefuse.composite.colour.skin import Plane
from livefuse.device.base import Lane
from livefuse.frame import F32, U8


class Seen(NamedTuple):
    """Both faces on the lattice.

    Shapes: target, swapped (CELLS, CELLS, 3) uint8; weight (CELLS, CELLS) float32 0..1, where skin tells the light;
    plane: how the light differs at large; field_target, field_swapped and field_weight are the same averaged to
    FIELD_CELLS, as float32.
    """

    target: U8
    swapped: U8
    weight: F32
    plane: Plane
    field_target: F32
    field_swapped: F32
    field_weight: F32


class Method(Protocol):
    """Keeps nothing of a frame: what it measures is an array that may be averaged over time."""

    def measure(self, seen: Seen) -> F32:
        """What brings the swapped face's colours to the target's."""
        ...

    def apply(self, lane: Lane, image: U8 | F32, state: F32, seen: Seen, place: Place) -> U8 | F32:
        """The image with its colours changed, in lane memory. Shapes: (h, w, 3) RGB 0..255 of either type; the result
        has the same, a float's not clipped."""
        ...
