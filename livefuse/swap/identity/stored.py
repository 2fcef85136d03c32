"""A stored identity's description, `identity.json`: read as strictly as if a stranger had written it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from livefuse.config import Ground
from livefuse.errors import IdentityError
from livefuse.swap.identity import Quality
from livefuse.swap.identity.face import Framing
from livefuse.swap.identity.taken import LeftOut, Taken

FILE = "identity.json"
_MOST_BYTES = 4 << 20

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
Fraction01 = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=1, le=16384)]
Edge = Annotated[int, Field(ge=0, le=16384)]
Px = Annotated[float, Field(ge=-32768, le=32768, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoredQuality(_Strict):
    sharpness: Fraction01
    frontal: Fraction01
    light: Fraction01
    face_px: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StoredShot(_Strict):
    """A photo and where its face is in it, so that nothing need look for it again.

    `crop` (x1 y1 x2 y2, photo px) is scaled to `size` (width, height); landmarks and points are px of that.
    """

    sha256: Digest
    suffix: Literal[".png", ".jpg", ".webp", ".bmp", ".tif"]
    source: str
    time_s: float | None = None
    quality: StoredQuality
    outlier: bool
    crop: tuple[Edge, Edge, Edge, Edge]
    size: tuple[Side, Side]
    points: Annotated[list[tuple[Px, Px]], Field(min_length=5, max_length=5)]
    landmarks: Annotated[list[tuple[Px, Px]], Field(min_length=66, max_length=66)]

    @property
    def framing(self) -> Framing:
        return Framing(self.crop, self.size)

    @property
    def title(self) -> str:
        return self.source if self.time_s is None else f"{self.source} at {self.time_s:.2f} s"

    @property
    def face_quality(self) -> Quality:
        q = self.quality
        return Quality(q.sharpness, q.frontal, q.light, q.face_px)

    @classmethod
    def of(cls, taken: Taken, *, outlier: bool) -> StoredShot:
        shot, q = taken.shot, taken.shot.quality
        points, landmarks = (np.round(a.astype(np.float64), 3).tolist() for a in (shot.points, shot.landmarks))
        return cls(
            sha256=shot.photo_sha256,
            suffix=taken.suffix,
            source=shot.source,
            time_s=shot.time_s,
            quality=StoredQuality(sharpness=q.sharpness, frontal=q.frontal, light=q.light, face_px=q.face_px),
            outlier=outlier,
            crop=taken.framing.crop,
            size=taken.framing.size,
            points=points,
            landmarks=landmarks,
        )  # fmt: skip


class StoredLeftOut(_Strict):
    source: str
    reason: str


class StoredIdentity(_Strict):
    """`schema_version` rises when a reader of the old one would go wrong."""

    schema_version: Literal[1] = 1
    id: Id
    name: str
    created: str
    who: str
    ground: Ground
    livefuse_version: str
    shots: Annotated[tuple[StoredShot, ...], Field(min_length=1)]
    left_out: tuple[StoredLeftOut, ...] = ()

    @property
    def used(self) -> tuple[StoredShot, ...]:
        """Without the outliers, unless all are."""
        kept = tuple(shot for shot in self.shots if not shot.outlier)
        return kept or self.shots

    @property
    def best(self) -> StoredShot:
        """The one that shows the face best, the first among equals."""
        return max(self.used, key=lambda shot: shot.face_quality.score)

    @property
    def outliers(self) -> tuple[StoredShot, ...]:
        return tuple(shot for shot in self.shots if shot.outlier)


def left_out_of(left_out: list[LeftOut]) -> tuple[StoredLeftOut, ...]:
    return tuple(StoredLeftOut(source=one.source, reason=one.reason) for one in left_out)


def read_stored(home: Path) -> StoredIdentity:
    """Raises: IdentityError when the description is missing, damaged or another folder's."""
    path = home / FILE
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise IdentityError(f"{path} is larger than {_MOST_BYTES >> 20} MiB", hint="remove it and add it again")
        stored = StoredIdentity.model_validate_json(path.read_bytes())
    except OSError as error:
        raise IdentityError(f"cannot read {path}: {error.strerror}", hint="remove it and add it again") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise IdentityError(f"{path} is damaged: {where}: {first['msg']}", hint=_hint(home)) from error
    if stored.id != home.name:
        raise IdentityError(f"{path} belongs to another folder, {stored.id}", hint=_hint(home))
    return stored


def _hint(home: Path) -> str:
    return f"`livefuse identity remove {home.name}`, then add it again"
