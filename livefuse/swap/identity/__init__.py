"""The face to put on: one person's photos, their landmarks and the consent to use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from livefuse.config import IdentityConfig
from livefuse.frame import F32, U8
from livefuse.swap.consent import ConsentRecord

_FULL_PX = 256.0


class FaceFinder(Protocol):
    """Finds every face in an RGB image."""

    def __call__(self, rgb: U8) -> Sequence[tuple[F32, F32, F32]]:
        """`(box, points, landmarks)` per face: (4,) x1 y1 x2 y2, (5, 2), (66, 2), image px."""
        ...


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a shot shows its face, each from 0 to 1; `face_px` is the longer side of the face's box in the photo."""

    sharpness: float
    frontal: float
    light: float
    face_px: float

    @property
    def score(self) -> float:
        """For choosing the best of several: one bad property is not made up for by the others, and a face too small to
        fill a network's crop counts less."""
        return self.sharpness * self.frontal * self.light * min(1.0, self.face_px / _FULL_PX) ** 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One photo of the person, cut to its face at a working size.

    Shapes: image (h, w, 3) uint8 RGB; landmarks (66, 2) and points (5, 2) float32, px of that image.
    `source` is the photo's or video's name, `time_s` the moment in a video.
    """

    image: U8
    landmarks: F32
    points: F32
    photo_sha256: str
    source: str
    quality: Quality
    time_s: float | None = None

    @property
    def title(self) -> str:
        return self.source if self.time_s is None else f"{self.source} at {self.time_s:.2f} s"


Embed: TypeAlias = Callable[[Sequence[Shot]], F32]
"""Recognises the person in each shot. Shapes: N shots -> (N, D), as the recogniser gives them, of any length."""


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A face that may be put on.

    Shapes: image (h, w, 3) uint8 RGB; landmarks (66, 2) and points (5, 2) float32, px of that image.
    These are the best shot's, as are `consent` and `photo_sha256`; `shots` has all that show the person, in the order given.
    """

    name: str
    image: U8
    landmarks: F32
    points: F32
    consent: ConsentRecord
    photo_sha256: str
    shots: tuple[Shot, ...] = ()

    @classmethod
    def of_model(cls, name: str, consent: ConsentRecord, sha256: str) -> Identity:
        """A person who is in a model's weights, not in photos: everything but the consent is empty."""
        empty = np.empty((0, 2), np.float32)
        return cls(name, np.empty((0, 0, 3), np.uint8), empty, empty, consent, sha256)


def load_identity(config: IdentityConfig, find: FaceFinder, folder: Path, embed: Embed | None = None) -> Identity:
    """Read, draw or fetch from the store under `folder` what `config.photo` names: a photo, a folder of photos, a video,
    `synthetic:SEED` or a stored identity. Photos used here are stored with their consent records.

    With `embed`, faces of other people are told apart from the person's; without, in a photo or frame with several faces
    one must clearly be the main one.
    Raises: NoConsent, NoFace, SeveralFaces, UnknownIdentity, IdentityError, SourceError.
    """
    from livefuse.swap.identity.load import load

    return load(config, find, folder, embed)
