"""A stored photo as the shot that it was when it was added: checked, and cut as it was cut then."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from livefuse.errors import IdentityError, NoConsent, SourceError
from livefuse.source.image import read_image
from livefuse.swap.identity import Shot
from livefuse.swap.identity.face import cut
from livefuse.swap.identity.stored import StoredShot
from livefuse.swap.identity.taken import read_bytes


def photo_of(home: Path, shot: StoredShot) -> Path:
    return home / shot.sha256[:16] / f"photo{shot.suffix}"


def restored(home: Path, shot: StoredShot) -> Shot:
    """Raises: NoConsent for another photo than the one that was consented to, IdentityError for none."""
    path = photo_of(home, shot)
    if hashlib.sha256(read_bytes(path)).hexdigest() != shot.sha256:
        raise NoConsent(f"{path} is not the photo that the consent is for", hint="add the identity again")
    try:
        photo = read_image(path)
    except SourceError as error:
        raise IdentityError(
            f"{path} cannot be read any more: {error.message}", hint="add the identity again"
        ) from error
    x1, y1, x2, y2 = shot.crop
    if not (0 <= x1 < x2 <= photo.shape[1] and 0 <= y1 < y2 <= photo.shape[0]):
        raise IdentityError(f"{path}: its face is not inside the photo", hint="add the identity again")
    landmarks, points = np.array(shot.landmarks, np.float32), np.array(shot.points, np.float32)
    return Shot(cut(photo, shot.framing), landmarks, points, shot.sha256, shot.source, shot.face_quality, shot.time_s)
