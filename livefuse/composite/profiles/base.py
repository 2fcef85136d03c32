"""What a profile is: how a learned swapper's crop leaves the picture and goes back into it, as one program does it."""

from __future__ import annotations

from typing import Literal, Protocol

from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, U8, Crop


class Profile(Protocol):
    """Used by the pipeline's thread; keeps nothing of a frame, so that one serves every lane.

    `latent` says how an identity is scaled for models with an emap: insightface scales the mapped embedding to length 1,
    facefusion does not. `points` says which five points align the crop: the landmarks', or the detector's own.
    `takes_mask` says whether a swapping network's own mask counts; FaceFusion ignores hyperswap's.
    """

    name: str
    latent: Literal["insightface", "facefusion"]
    points: Literal["landmarks", "detector"]
    takes_mask: bool

    def cut(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        """Sample the template crop. Shapes: to_crop (2, 3), frame px -> crop px; out (S, S, 3) uint8 RGB."""
        ...

    def finish(self, lane: Lane, crop: Crop, face: F32, opacity: F32 | None) -> None:
        """Take what came out of the network: sets `image`, `mask`, `fine` where floats are kept, and `swapped`.

        Shapes: face (S, S, 3) float32 RGB, 0..1 but not clipped, any strides, not changed; opacity (S, S) float32, the
        model's own mask, or None.
        """
        ...

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        """Put a finished crop back into the picture; one that lies outside of it changes nothing."""
        ...
