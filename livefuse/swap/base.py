"""What a swapper is. It says how its crops are cut and how they go back, because both belong to what its network learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, Crop, Crops
from livefuse.swap.identity import Identity


class Cut(Protocol):
    """Cuts one face out of a picture."""

    def __call__(self, lane: Lane, picture: Picture, face: Face, index: int) -> Crop:
        """The crop's image is lane memory of its `index`."""
        ...


@dataclass(slots=True)
class Face:
    """One face to be cut out, in frame px.

    Shapes: points (5, 2) as the detector and tracker have them; landmarks (66, 2), or no rows where no landmarker runs.
    """

    track: int
    points: F32
    landmarks: F32
    role: int = 0


class Swapper(Protocol):
    """Used by the pipeline's thread; `prepare` may be called from another."""

    cut: Cut

    def prepare(self, identity: Identity) -> None:
        """Do an identity's one-off work now, so that its first frame costs what every frame costs. Raises: IdentityError."""
        ...

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        """Swap every crop whose role has an identity, in place."""
        ...

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        """Put a swapped crop back into the picture."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What the pipeline dresses faces with; replaced as a whole between two frames.

    `identities` by role: index 0 is the session's identity, the others are the cast's.
    """

    swapper: Swapper
    identities: tuple[Identity | None, ...] = (None,)
