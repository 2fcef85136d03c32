"""What a swapper is. It says how its crops are cut and how they go back, because both belong to what its network learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from livefuse.align.cut import Cut
from livefuse.device.base import Lane, Picture
from livefuse.frame import Crop, Crops
from livefuse.swap.identity import Identity

Paste = Callable[[Lane, Picture, Crop], None]
"""Puts a finished crop back into a picture."""


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


class MaskStage(Protocol):
    """Says what of each face may be swapped. Used by the pipeline's thread.

    `every` says that networks run on every n-th frame, and may be changed between two frames.
    """

    every: int

    def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> None:
        """Look at the target's faces, before they are swapped; networks start."""
        ...

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> None:
        """Take what must stay the target's out of the masks of the swapped crops; sets `Crop.visible`."""
        ...


class ColourStage(Protocol):
    """Gives swapped faces the target's colours and light. Used by the pipeline's thread."""

    def begin(self, lane: Lane, crops: Crops) -> None:
        """Remember what is needed of the target's faces, before they are swapped."""
        ...

    def __call__(self, lane: Lane, crops: Crops, t_ns: int) -> None:
        """Change the colours of the swapped crops, in place."""
        ...


class EnhanceStage(Protocol):
    """Changes swapped faces once they are masked and coloured. Used by the pipeline's thread."""

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, paste: Paste, t_ns: int) -> Crops:
        """The crops to composite: those it has changed are new ones with `whole` set. `paste` is how crops, whole ones too,
        go back into a picture."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What faces are dressed with; replaced as a whole between two frames.

    `identities` by role: 0 is the session's own identity, the others are the cast's. The stages after the swap are None
    where none is wanted; `enhance` run in their order.
    """

    swapper: Swapper
    identities: tuple[Identity | None, ...] = (None,)
    masks: MaskStage | None = None
    colour: ColourStage | None = None
    enhance: tuple[EnhanceStage, ...] = ()


def worn(crops: Crops, identities: Sequence[Identity | None]) -> Iterator[tuple[Crop, Identity]]:
    """The crops whose role has an identity, with it."""
    for crop in crops:
        identity = identities[crop.role] if crop.role < len(identities) else None
        if identity is not None:
            yield crop, identity
