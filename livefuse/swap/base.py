"""What a swapper is. It says how its crops are cut and how they go back, because both belong to what its network learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from livefuse.align.cut import Cut
from livefuse.device.base import Lane, Picture
from livefuse.frame import Crop, Crops
from livefuse.swap.identity import Identity


class Swapper(Protocol):
    """Used by the pipeline's thread; `prepare` may be called from another."""

    @property
    def cut(self) -> Cut: ...

    def prepare(self, identity: Identity) -> None:
        """Do an identity's one-off work now, so that its first frame costs what every frame costs. Raises: IdentityError."""
        ...

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        """Swap, in place, every crop whose role has an identity."""
        ...

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        """Put a swapped crop back into the picture."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What faces are dressed with; replaced as a whole between two frames.

    `identities` by role: 0 is the session's own identity, the others are the cast's.
    """

    swapper: Swapper
    identities: tuple[Identity | None, ...] = (None,)


def worn(crops: Crops, identities: Sequence[Identity | None]) -> Iterator[tuple[Crop, Identity]]:
    """The crops whose role has an identity, with it."""
    for crop in crops:
        identity = identities[crop.role] if crop.role < len(identities) else None
        if identity is not None:
            yield crop, identity
