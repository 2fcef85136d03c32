"""A photo that was sent: bounded, looked at before it is decoded, and kept under names of the daemon's own."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import cv2
import numpy as np

from livefuse.config import Config, IdentityConfig
from livefuse.errors import BadValue, IdentityError, LivefuseError, NotMedia, UnknownIdentity, UnsupportedPicture
from livefuse.frame import U8
from livefuse.photos import photo_embedder, photo_finder
from livefuse.source.image import read_image
from livefuse.source.picture_size import picture_size
from livefuse.source.sniff import picture_in
from livefuse.swap.identity.face import faces_in
from livefuse.swap.identity.store import IdentityStore
from livefuse.swap.identity.stored import StoredIdentity

PHOTO_TYPES = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}
MOST_BYTES = 20 << 20
MOST_PIXELS = 40_000_000
MOST_PX = 16384
_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
_one_at_a_time = threading.Lock()  # looking for a face takes a core, which the live sessions want


def keep_photo(
    store: IdentityStore, name: str, photo: bytes, media_type: str, wanted: IdentityConfig, *, replace: bool
) -> tuple[StoredIdentity, bool]:
    """Store it as a person's face; and whether the name is new.

    Raises: BadValue, NotMedia, UnsupportedPicture, IdentityError, ModelError.
    """
    suffix = checked_photo(photo, media_type)
    config = Config()
    new = not _stored(store, name)
    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="livefuse-photo-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(photo)
        find, embed = photo_finder(config), photo_embedder(config)
        try:
            return store.add(name, [str(path)], wanted, find, embed, replace=replace), new
        except LivefuseError as error:  # where the daemon keeps it meanwhile is nobody's business
            raise type(error)(error.message.replace(str(path), "the photo"), hint=error.hint) from error


def faces_of(photo: bytes, media_type: str) -> list[tuple[float, float, float, float]]:
    """Where the faces of a photo are, from left to right, as x1 y1 x2 y2 in parts of its width and height; it is not kept.

    Raises: BadValue, NotMedia, UnsupportedPicture, NoFace, ModelError.
    """
    suffix = checked_photo(photo, media_type)
    with _one_at_a_time, tempfile.TemporaryDirectory(prefix="livefuse-photo-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(photo)
        rgb = read_image(path)
        boxes = faces_in(rgb, photo_finder(Config()), "the photo")
    height, width = rgb.shape[:2]
    parts = (box / (width, height, width, height) for box in boxes)
    return [(float(x1), float(y1), float(x2), float(y2)) for x1, y1, x2, y2 in parts]


def reduced(image: U8, side_px: int | None) -> U8:
    """A picture whose longer side is at most that."""
    scale = side_px / max(image.shape[:2]) if side_px else 1.0
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def checked_photo(photo: bytes, media_type: str) -> str:
    """The ending that its content calls for. Raises: BadValue, NotMedia, UnsupportedPicture."""
    said = PHOTO_TYPES.get(media_type.partition(";")[0].strip().lower())
    if said is None:
        raise BadValue("the body is no photo", hint=f"send the file itself as {', '.join(PHOTO_TYPES)}")
    if not photo:
        raise NotMedia("the photo is empty", hint="send the file itself as the body")
    if len(photo) > MOST_BYTES:
        raise UnsupportedPicture(f"the photo has {len(photo):,} bytes", hint=f"at most {MOST_BYTES:,}")
    kind = picture_in(photo)
    if kind != said:
        raise NotMedia(
            f"the photo is called {said}, and is {kind or 'no picture'}", hint="say what it is: Content-Type"
        )
    size = picture_size(photo, said)
    if size is None:
        raise NotMedia("the photo's header is broken", hint="save it again")
    if max(size) > MOST_PX or size[0] * size[1] > MOST_PIXELS:
        raise UnsupportedPicture(f"the photo is {size[0]}x{size[1]} px", hint=f"at most {MOST_PIXELS // 10**6} Mpx")
    return _SUFFIXES[said]


def _stored(store: IdentityStore, name: str) -> bool:
    try:
        store.get(name)
    except UnknownIdentity:
        return False
    except IdentityError:  # damaged, but there
        return True
    return True
