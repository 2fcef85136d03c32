"""What says how much of a face is visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from livefuse.device.base import Lane, Picture
from livefuse.frame import U8, Crops

Visible = Callable[[], list[U8 | None]]
"""Waits for what was begun: for each crop (gh, gw) uint8 at a resolution of its own over the crop's whole extent, 255
where nothing hides the face and 0 where something does; None where nothing hides any of it."""


class Masker(Protocol):
    """Says what of each face is visible, from the target's crops before the swap."""

    def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> Visible:
        """Look at the crops and start networks; crops and picture may be changed once it has returned."""
        ...
